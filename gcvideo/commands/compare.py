"""Compare two runs on the same videos: the difference of their accuracies, and whether chance would do."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcvideo.commands._arguments import CommandParser
from gcvideo.commands._tables import table
from gcvideo.errors import InputError, plain

if TYPE_CHECKING:
    from gcvideo.evaluation.comparison import ClassChange, Comparison, Paired
    from gcvideo.evaluation.predictions import Predictions

_SHOWN = 5
_LEAST = 0.05
_EXAMPLES = """examples:
  gcvideo compare runs/with-blocks runs/baseline
  gcvideo compare runs/with-blocks runs/baseline --split val
  gcvideo compare runs/a/results/test runs/a/results/test_of_last.ckpt --out difference.json
  gcvideo compare a/predictions.parquet b/predictions.parquet

Both must have measured the same videos: gcvideo test --ckpt_path RUN/best.ckpt leaves what is compared.

how to read it:
  difference   accuracy of A less that of B, on the videos that both have read
  interval     95 %, by bootstrap: groups of videos (data.group: takes of one scene) are drawn with replacement;
               if it holds 0, these videos do not tell which network is better
  p            McNemar's exact test, two-sided: how often chance alone would make the numbers of videos that only A
               and only B have right differ so much, if both were equally good. It takes all videos for independent;
               where groups are large, trust the interval
These are two trained networks, not two methods: another seed gives another network."""


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo compare``."""
    options = parser().parse_args(arguments)
    out = Path(options.out).expanduser() if options.out else None
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise InputError(f"--out {out}: name a file in a folder that is there", exit_code=2)
    if out is not None and out.suffix.lower() != ".json":
        raise InputError(f"--out {out}: expected a name that ends in .json", exit_code=2)
    from gcvideo.evaluation.comparison import compared, paired
    from gcvideo.evaluation.prediction_files import read_predictions

    paths = _paths([Path(run).expanduser() for run in options.run], options.split)
    tables = [read_predictions(path) for path in paths]
    pair = paired(*tables)
    found = compared(pair)
    print(plain(_text(paths, pair, found)))
    if out is not None:
        from gcvideo.tracking.whole_files import write_whole

        try:
            write_whole(out, json.dumps(_as_json(paths, pair, found), indent=2) + "\n")
        except OSError as error:
            raise InputError(f"--out {out} cannot be written: {error.strerror}") from error
    return 0


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = CommandParser(
        prog="gcvideo compare",
        description="The difference of two networks on the same videos, with its interval and McNemar's test.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("run", nargs=2, metavar="RUN", help="a run folder, or a predictions.parquet: A, then B")
    result.add_argument(
        "--split", metavar="NAME", help="which results of the run folders (default: test if both have it, else val)"
    )
    result.add_argument("--out", metavar="FILE", help="write the figures to a .json, too")
    return result


def _paths(runs: list[Path], split: str | None) -> list[Path]:
    """The tables that are meant; without ``--split`` the same of both run folders."""
    from gcvideo.commands.running.result_folders import find_predictions, measurements

    measured = [measurements(run) for run in runs if run.is_dir()]
    measured = [names for names in measured if names]
    if split is None and len(measured) == 2:
        shared = [name for name in ("test", "val", *measured[0]) if all(name in names for names in measured)]
        if not shared:
            what = "; ".join(f"{run}: {', '.join(names)}" for run, names in zip(runs, measured, strict=True))
            raise InputError(f"nothing was measured with both ({what}); measure the other with gcvideo test")
        split = shared[0]
    return [find_predictions(run, split) for run in runs]


def _text(paths: list[Path], pair: Paired, found: Comparison) -> str:
    change = found.difference
    interval = change.interval if found.intervals else None
    lines = [_about(name, path, side) for name, path, side in zip("AB", paths, (pair.first, pair.second), strict=True)]
    lines += [*_notes(pair), ""]
    rows = []
    for name, side, number in (("A", pair.first, 0), ("B", pair.second, 1)):
        rows.append([name, f"{side.hits.mean():.1%}", _interval(found.intervals and found.intervals[number])])
    rows.append(["A - B", f"{100 * change.accuracy:+.1f} points", _interval(interval, signed=True)])
    lines += [table(["", "top-1", "95 % interval"], rows), ""]
    lines += [
        f"{len(pair.first.videos):,} videos in {found.groups:,} groups: only A is right on {change.only_first:,}, "
    ]
    lines[-1] += f"only B on {change.only_second:,}; McNemar p = {_p(change.p_value)}"
    lines += [_verdict(found), *_classes(found.changes)]
    return "\n".join(lines)


def _about(name: str, path: Path, side: Predictions) -> str:
    origin = side.origin
    checkpoint = origin.get("checkpoint") or "the network of its fit"
    return f"{name}: {path}\n   {origin.get('split')}, {checkpoint}, step {origin.get('step')}, {origin.get('views')}"


def _notes(pair: Paired) -> list[str]:
    notes = []
    for name, count in (("A", pair.only_first), ("B", pair.only_second)):
        if count:
            notes.append(f"{count:,} videos are in {name} alone and do not count")
    if pair.unread:
        notes.append(f"{pair.unread:,} videos could not be read by one of them and do not count")
    for what in ("split", "views"):
        if pair.first.origin.get(what) != pair.second.origin.get(what):
            notes.append(f"note: the {what} differ: part of the difference may come from that")
    if pair.first.groups != pair.second.groups and not pair.by_end_of_path:
        notes.append("note: the groups of videos differ; those of A are taken")
    if pair.by_end_of_path:
        notes.append("note: the videos lie in different folders; matched by their paths below these")
    return notes


def _verdict(found: Comparison) -> str:
    low, high = found.difference.interval
    if not found.difference.only_first + found.difference.only_second:
        return "both are right on the same videos"
    if found.intervals is None:
        return "all videos are of one group: there is no interval, and these videos do not tell which is better"
    if low <= 0 <= high:
        return "the interval holds 0: these videos do not tell which is better"
    if found.difference.p_value > _LEAST:
        return "the interval leaves 0 out, but McNemar's test does not: take it for a hint"
    return f"{'A' if low > 0 else 'B'} is better on these videos beyond what chance would do"


def _classes(changes: list[ClassChange]) -> list[str]:
    from gcvideo.commands.running.summary import shortened

    if not changes:
        return []
    rows = [
        [shortened(c.name), f"{c.videos}", f"{c.first:.1%}", f"{c.second:.1%}", f"{100 * (c.first - c.second):+.1f}"]
        for c in changes[:_SHOWN]
    ]
    header = ["classes that differ most", "videos", "A", "B", "points"]
    more = [f"and {len(changes) - _SHOWN} more"] if len(changes) > _SHOWN else []
    return ["", table(header, rows), *more]


def _interval(of: Any, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{100 * of.low:{sign}.1f} to {100 * of.high:{sign}.1f}" if of else "-"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.0e}"


def _as_json(paths: list[Path], pair: Paired, found: Comparison) -> dict[str, Any]:
    change, intervals = found.difference, found.intervals or (None, None)
    sides = {
        name: {"predictions": str(path), "top1": float(side.hits.mean()), "interval": interval, **side.origin}
        for name, path, side, interval in zip("ab", paths, (pair.first, pair.second), intervals, strict=True)
    }
    return {
        **sides,
        "videos": len(pair.first.videos),
        "groups": found.groups,
        "only_in_a": pair.only_first,
        "only_in_b": pair.only_second,
        "unread": pair.unread,
        "difference": change.accuracy,
        "interval": change.interval if found.intervals else None,
        "only_a_right": change.only_first,
        "only_b_right": change.only_second,
        "mcnemar_p": change.p_value,
        "classes": [c._asdict() for c in found.changes],
    }
