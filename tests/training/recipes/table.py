"""The tables of docs/RECIPES.md, written from the literals and from our configs' schedules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gcvideo.commands._configs import find_config

PAGE = Path(__file__).parents[3] / "docs" / "RECIPES.md"
_BEGIN, _END = "<!-- written by tests/training/recipes/write.py -->\n\n", "\n<!-- until here -->\n"
_HEAD = ("recipe", "batch", "rate", "schedule", "run", "no decay", "clip", "precise norms")


def tables(literals: Mapping[str, Any]) -> str:
    """A row for each recipe, then its configs and files, between two lines that mark the place."""
    named = list(zip(_names(literals["recipes"]), literals["recipes"], strict=True))
    rows = [_HEAD, *(_row(name, recipe) for name, recipe in named)]
    lists = (_list(name, recipe, literals["sources"][recipe["source"]]) for name, recipe in named)
    return f"{_BEGIN}{_aligned(rows)}\n{''.join(lists)}{_END}"


def write_tables(literals: Mapping[str, Any]) -> None:
    """Puts the tables in the place of those that the page has."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    PAGE.write_text(before + tables(literals) + rest.partition(_END)[2], encoding="utf-8")


def _names(recipes: Sequence[Mapping[str, Any]]) -> list[str]:
    """The source, with a number where it has several."""
    numbers: Counter[str] = Counter()
    names = []
    for recipe in recipes:
        numbers[recipe["source"]] += 1
        names.append(f"{recipe['source']} {numbers[recipe['source']]}")
    return [name if numbers[name.rpartition(" ")[0]] > 1 else name.rpartition(" ")[0] for name in names]


def _row(name: str, recipe: Mapping[str, Any]) -> tuple[str, ...]:
    entries = list(recipe["configs"].items())
    config = yaml.safe_load(find_config(f"kinetics400/{entries[0][0]}").read_text(encoding="utf-8"))
    spared = {kind.partition(".")[0] for kind, decay in recipe["decay"].items() if decay == 0}
    said = entries[0][1].get("said_epochs", recipe["epochs"])
    return (
        name,
        str(recipe["batch"]),
        f"{recipe['lr']:g}",
        _schedule(config["model"]["schedule"], config["trainer"], recipe["lr"]),
        f"{said} epochs" if said else f"{recipe['steps']:,} steps",
        ", ".join(f"{kind}s" for kind in sorted(spared)) or "-",
        f"{recipe['clip'] or '-'}",
        f"{recipe['precise_bn'] or '-'}",
    )


def _schedule(schedule: Mapping[str, Any], trainer: Mapping[str, Any], lr: float) -> str:
    steps = trainer.get("max_steps")
    whole, unit = (steps, "steps") if steps else (trainer["max_epochs"], "epochs")
    parts = []
    if schedule["warmup"]:
        parts.append(f"warm-up of {round(schedule['warmup'] * whole)} {unit} from {lr * schedule['warmup_start']:g}")
    if schedule["kind"] == "step":
        drops = " and ".join(f"{round(share * whole):,}" for share in schedule["milestones"])
        parts.append(f"x 0.1 after {drops} {unit}")
    else:
        parts.append(f"cosine from {'there' if schedule.get('cosine_after_warmup', True) else 'the first step'}")
    if schedule.get("every") == "epoch":
        parts.append("a rate an epoch")
    return ", ".join(parts)


def _list(name: str, recipe: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    """The recipe's configs by the file that each follows."""
    lines = [f"* {name} ({source['repository']} {source['commit'][:7]}):\n"]
    for file in dict.fromkeys(entry["file"] for entry in recipe["configs"].values()):
        ours = ", ".join(f"`{config}`" for config, entry in recipe["configs"].items() if entry["file"] == file)
        lines.append(f"  * `{file}`: {ours}\n")
    return "".join(lines)


def _aligned(rows: Iterable[tuple[str, ...]]) -> str:
    cells = [list(row) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "".join(f"| {line} |\n" for line in lines)
