"""Measure how fast the videos are read, where the time goes, and how many workers a run needs."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING, Any

from gcvideo.commands._arguments import CommandParser
from gcvideo.commands._tables import table
from gcvideo.errors import InputError, plain

if TYPE_CHECKING:
    from gcvideo.commands.benchmarking.advice import DataBenchmark

_EXAMPLES = """examples:
  gcvideo benchmark data --config folder --data.root MY_VIDEOS
  gcvideo benchmark data --config folder --data.root MY_VIDEOS --measure_step
  gcvideo benchmark data --config kinetics400/slowonly_r50_8x8 --data.manifest m.csv --step_ms 300

The training clips of a few videos are taken as a loader process takes them: one process, one thread, with all that the
config says of clips and augmentation. The first round is not counted. Each decoder that is right for a video reads the
same frames of it: "to first frame" is the seek and what must be decoded on the way, "other frames" those of the clip
and between them. No run folder is made; a folder of videos is indexed, as fit does it."""
_PARTS = {
    "choose": "choose the frames",
    "read": "read them (open, seek, decode, RGB)",
    "augment": "augment",
    "collate": "collate",
}


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo benchmark``; options it does not know are those of fit."""
    if not arguments or arguments[0] not in ("data", "-h", "--help"):
        raise InputError("say first what is measured: gcvideo benchmark data --config NAME_OR_FILE", exit_code=2)
    options, for_fit = parser().parse_known_args(arguments)
    _check(options)
    from gcvideo.commands.benchmarking.data import benchmark_data

    found = benchmark_data(
        options.config,
        for_fit,
        num_videos=options.num,
        rounds=options.rounds,
        step_ms=options.step_ms,
        measures_step=options.measure_step,
    )
    print(json.dumps(_json(found), indent=2) if options.json else plain(_text(found)))
    return 0


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = CommandParser(
        prog="gcvideo benchmark",
        usage="gcvideo benchmark data --config NAME_OR_FILE [--num N] [--rounds N] [--step_ms MS | --measure_step] "
        "[--json] [--any.key=value ...]",
        description="Clips a second of one loader process, the time of each part and of each decoder on your files, "
        "and the number of workers that keeps a training step fed.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument("what", choices=["data"], help="what is measured")
    what = "a shipped config or a YAML, as for fit; --any.key=value changes it"
    result.add_argument("--config", required=True, action="append", metavar="NAME_OR_FILE", help=what)
    result.add_argument("--num", type=int, default=32, help="training videos that are read (default: %(default)s)")
    result.add_argument("--rounds", type=int, default=3, help="times that each is read (default: %(default)s)")
    step = result.add_mutually_exclusive_group()
    step.add_argument("--step_ms", type=float, metavar="MS", help="length of a training step on your device")
    step.add_argument("--measure_step", action="store_true", help="run a few training steps and measure them")
    result.add_argument("--json", action="store_true", help="print one JSON object")
    return result


def _check(options: argparse.Namespace) -> None:
    for name in ("num", "rounds"):
        if getattr(options, name) < 1:
            raise InputError(f"--{name} is {getattr(options, name)}; expected at least 1", exit_code=2)
    if options.step_ms is not None and not options.step_ms > 0:
        raise InputError(f"--step_ms is {options.step_ms:g}; expected milliseconds above 0", exit_code=2)


def _json(found: DataBenchmark) -> dict[str, Any]:
    cost = {key: value for key, value in vars(found.cost).items() if key != "requests"}
    prepared = None if found.prepared is None else dataclasses.asdict(found.prepared)
    return {
        **{key: value for key, value in vars(found).items() if key not in ("cost", "decoders", "prepared")},
        "clips_per_s": found.cost.clips_per_s,
        "milliseconds_per_clip": cost,
        "decoders": [{**dataclasses.asdict(decoder), "total": decoder.total} for decoder in found.decoders],
        "prepared": prepared,
        "num_workers": found.num_workers,
        "advice": found.advice,
    }


def _text(found: DataBenchmark) -> str:
    parts = [_conventions(found), _pipeline(found), _decoders(found), _step(found), "\n".join(found.advice)]
    return "\n\n".join(part for part in parts if part)


def _conventions(found: DataBenchmark) -> str:
    lines = [
        f"{found.num_videos} of {found.num_training_videos} training videos, one process, one thread; "
        f"medians of {found.rounds} rounds over them",
        f"a clip: {found.clip}",
    ]
    if found.cost.num_failed:
        lines.append(f"{found.cost.num_failed} of the {found.num_videos} videos cannot be read")
    return "\n".join(lines)


def _pipeline(found: DataBenchmark) -> str:
    cost = found.cost
    rows = [[_PARTS[k], f"{ms:.2f}", f"{100 * ms / cost.total:.0f} %"] for k, ms in cost.parts.items()]
    rows.append(["all", f"{cost.total:.2f}", f"{cost.clips_per_s:.1f} clips/s"])
    lines = [table(["a clip", "ms", "share"], rows)]
    if cost.megabytes is not None:
        speed = cost.megabytes * cost.clips_per_s
        lines.append(f"read from files: {cost.megabytes:.2f} MB a clip, {speed:.1f} MB/s by each process at this speed")
    if cost.first > 1.2 * cost.total:
        lines.append(f"the round before, when the files may have come from the disk: {cost.first:.2f} ms a clip")
    return "\n".join(lines)


def _decoders(found: DataBenchmark) -> str:
    rows = []
    for decoder in found.decoders:
        steps = [f"{ms:.2f}" for ms in (decoder.open, decoder.first, decoder.rest)]
        rgb = "in them" if decoder.rgb is None else f"{decoder.rgb:.2f}"
        right = f"{decoder.num_right} of {found.num_videos}"
        rows.append([decoder.name, right, *steps, rgb, f"{decoder.total:.2f}", f"{1000 / decoder.total:.1f}"])
    header = ["decoder", "right for", "open", "to first frame", "other frames", "of it RGB", "ms a clip", "clips/s"]
    return table(header, rows)


def _step(found: DataBenchmark) -> str:
    if found.step_ms is None:
        return ""
    how = "measured" if found.step_is_measured else "given"
    return (
        f"a step of {found.step_ms:.0f} ms ({how}) takes {found.clips_per_step} clips; one worker needs "
        f"{found.batch_ms:.0f} ms for them: {found.num_workers} worker{'s' * (found.num_workers != 1)} a device"
    )
