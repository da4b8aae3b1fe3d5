"""Count the parameters, multiply-adds and memory of a config's network."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

from gcvideo.commands._arguments import CommandParser
from gcvideo.commands._tables import dimensions, table
from gcvideo.errors import InputError

if TYPE_CHECKING:
    from gcvideo.commands._networks import Model
    from gcvideo.models.counting import Clip, Count

_EXAMPLES = """examples:
  gcvideo count --config kinetics400/slowonly_r50_8x8
  gcvideo count --config kinetics400/slowonly_r50_8x8 --clip 8x256x256 --model.backbone.depth=101
  gcvideo count --config folder --model.context.gc=null --json

Nothing is allocated: the network is built on torch's meta device."""


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo count``."""
    given = parser()
    options, overrides = given.parse_known_args(arguments)
    given.refuse(
        [word for word in overrides if word.startswith("-") and not word.startswith("--model.")], also="--model.…"
    )
    from gcvideo.commands._networks import read_model

    model = read_model(options.config, overrides)
    result = _counted(model, _clip(options.clip) if options.clip else model.clip, options.batch_size)
    print(json.dumps(result, indent=2) if options.json else _text(result))
    return 0


def parser() -> CommandParser:
    """The options of the command."""
    result = CommandParser(
        prog="gcvideo count",
        description="Parameters, multiply-adds and activation memory of a network, by stage and by context block.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--config", required=True, metavar="NAME_OR_FILE", help="a shipped config or a YAML")
    result.add_argument("--clip", metavar="TxHxW", help="frames x height x width (default: the config's)")
    result.add_argument("--batch_size", type=int, default=8, help="clips, for the memory (default: %(default)s)")
    result.add_argument("--json", action="store_true", help="print one JSON object")
    return result


def _clip(text: str) -> Clip:
    from gcvideo.models.counting import Clip

    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise InputError(f"--clip is {text!r}; expected frames x height x width, such as 8x224x224", exit_code=2)
    return Clip(*(int(number) for number in match.groups()))


def _counted(model: Model, clip: Clip, batch_size: int) -> dict[str, Any]:
    from gcvideo.models.counting import ACTIVATIONS, MACS, activation_bytes, count

    if batch_size < 1:
        raise InputError(f"--batch_size is {batch_size}; expected at least 1", exit_code=2)
    try:
        counted: Count = count(model.network, clip)
    except ValueError as error:
        raise InputError(f"--clip: {error}", exit_code=2) from error
    memory = {
        name: activation_bytes(model.network, clip, batch_size, bf16=bf16)
        for name, bf16 in (("fp32", False), ("bf16", True))
    }
    return {
        "config": model.name,
        "num_classes": model.num_classes,
        "clip": "x".join(map(str, clip)),
        "params": counted.params,
        "trainable": counted.trainable,
        "macs": counted.macs,
        "macs_executed": counted.executed,
        "macs_convention": MACS,
        "stages": [dataclasses.asdict(stage) for stage in counted.stages],
        "blocks": [dataclasses.asdict(block) for block in counted.blocks],
        "activations": {
            "convention": ACTIVATIONS,
            "batch_size": batch_size,
            **{name: {"bytes": sum(stages.values()), "stages": stages} for name, stages in memory.items()},
        },
    }


def _text(result: dict[str, Any]) -> str:
    memory, batch = result["activations"], result["activations"]["batch_size"]
    rows = [
        [
            stage["name"],
            *_numbers(stage),
            dimensions(stage["shape"]),
            _mib(memory, "fp32", stage),
            _mib(memory, "bf16", stage),
        ]
        for stage in result["stages"]
    ]
    if memory["fp32"]["stages"]["recomputed"]:
        again = {"name": "recomputed"}
        rows.append(["recomputed", "", "", "", _mib(memory, "fp32", again), _mib(memory, "bf16", again)])
    whole = [f"{memory[name]['bytes'] / 2**20:,.0f}" for name in ("fp32", "bf16")]
    rows.append(["all", *_numbers({"params": result["params"], "macs": result["macs"]}), "", *whole])
    header = ["stage", "parameters", "G MACs", "output C x T x H x W", "MiB fp32", "MiB bf16"]
    parts = [f"{result['config']}: clip {result['clip']}, {result['num_classes']} classes", table(header, rows)]
    if result["trainable"] != result["params"]:
        parts.append(f"trained: {result['trainable']:,} of the parameters")
    if result["blocks"]:
        blocks = [_block(block) for block in result["blocks"]]
        header = ["context block (counted in its stage)", "parameters", "M MACs", "executed"]
        parts.append(table(header, blocks))
    parts.append(f"MACs: {result['macs_convention']}\nMiB: {memory['convention']}, for a batch of {batch}")
    return "\n\n".join(parts)


def _block(block: dict[str, Any]) -> list[str]:
    return [block["name"], f"{block['params']:,}", *(f"{block[key] / 1e6:,.1f}" for key in ("macs", "executed"))]


def _numbers(part: dict[str, Any]) -> list[str]:
    return [f"{part['params']:,}", f"{part['macs'] / 1e9:.3f}"]


def _mib(memory: dict[str, Any], precision: str, stage: dict[str, Any]) -> str:
    return f"{memory[precision]['stages'][stage['name']] / 2**20:,.0f}"
