"""List the published models, with what they cost and reach; draw one of them."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING, Any

from gcvideo.commands._arguments import CommandParser
from gcvideo.commands._tables import table

if TYPE_CHECKING:
    from gcvideo.commands._networks import Model

_EXAMPLES = """examples:
  gcvideo models                                     every shipped model that was published
  gcvideo models --json                              the same as a list of objects
  gcvideo models show kinetics400/slowonly_r50_8x8   one network: stages, shapes, where blocks stand
  gcvideo fit --config kinetics400/slowonly_r50_8x8 --data.root KINETICS"""
_NOTES = """G MACs: multiply-adds of one clip at 224 and 256 px: convolutions, linear layers, matrix products.
top-1/5: as published, video level, percent; [M]: recalled from the paper, its text was not at hand.
status: whether gcvideo reached it; nothing is claimed of what was not run."""


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo models``."""
    options = parser().parse_args(arguments)
    if options.action == "show":
        from gcvideo.commands._drawing import draw
        from gcvideo.commands._networks import read_model

        print(draw(read_model(options.name)))
        return 0
    found = entries()
    print(json.dumps(found, indent=2) if options.json else _text(found))
    return 0


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = CommandParser(
        prog="gcvideo models",
        description="What was published where, what it costs, and whether it was reproduced here.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--json", action="store_true", help="print a list of objects")
    actions = result.add_subparsers(dest="action", metavar="show NAME")
    show = actions.add_parser("show", help="draw one network", prog="gcvideo models show")
    show.add_argument("name", help="a shipped config (see gcvideo models) or a YAML")
    return result


def entries() -> list[dict[str, Any]]:
    """The catalogue: every shipped config that has one."""
    from gcvideo.commands._configs import config_names, find_config
    from gcvideo.data.progress import counted_progress

    texts = {name: find_config(name).read_text(encoding="utf-8") for name in config_names()}
    names = [name for name, text in texts.items() if "\ncatalogue:" in text]
    counted: dict[str, dict[str, int]] = {}
    with counted_progress("counting") as (on_start, on_step):
        on_start(len(names))
        found = []
        for name in names:
            found.append(_entry(name, counted))
            on_step()
    return found


def _entry(name: str, counted: dict[str, dict[str, int]]) -> dict[str, Any]:
    """One row; configs that differ in their recipe alone are counted once."""
    from gcvideo.commands._catalogue import catalogue_of
    from gcvideo.commands._networks import read_model

    model: Model = read_model(name)
    catalogue, data = catalogue_of(dict(model.config)), model.config["data"]["init_args"]
    assert catalogue is not None
    key = json.dumps([model.config["model"][part] for part in ("backbone", "context") if part in model.config["model"]])
    key = f"{model.clip.frames} {model.num_classes} {key}"
    if key not in counted:
        counted[key] = _counts(model)
    return {
        "name": name,
        "config": f"{name}.yaml",
        "clip": f"{model.clip.frames}x{data['frame_stride']}",
        **counted[key],
        "published": [dataclasses.asdict(row) for row in catalogue.published],
        "source": catalogue.recipe,
        "status": catalogue.status,
        "measured": catalogue.measured,
    }


def _counts(model: Model) -> dict[str, int]:
    from gcvideo.models.counting import Clip, count

    at = {px: count(model.network, Clip(model.clip.frames, px, px)) for px in (224, 256)}
    return {"params": at[224].params, **{f"macs_{px}": counted.macs for px, counted in at.items()}}


def _text(found: list[dict[str, Any]]) -> str:
    header = ["model", "published top-1/5", "source", "status", "frames", "M params", "G MACs 224", "256"]
    rows = []
    for entry in found:
        costs = [entry["clip"], f"{entry['params'] / 1e6:.2f}"]
        costs += [f"{entry[f'macs_{px}'] / 1e9:.2f}" for px in (224, 256)]
        published = entry["published"] or [None]
        rows.append([entry["name"], *_figures(published[0]), entry["status"], *costs])
        rows += [["", *_figures(row), "", "", "", "", ""] for row in published[1:]]
    return f"{table(header, rows, left=4)}\n\n{_NOTES}"


def _figures(row: dict[str, Any] | None) -> list[str]:
    if row is None:
        return ["-", "-"]
    return [f"{_percent(row['top1'])} / {_percent(row['top5'])}" + (" [M]" if row["mark"] else ""), row["source"]]


def _percent(value: float) -> str:
    """With one decimal where no more was published."""
    return f"{value:.1f}" if round(value, 1) == value else f"{value:.2f}"
