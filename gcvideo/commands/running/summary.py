"""What is printed of an evaluation: a few aligned lines, with two classes as with four hundred."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gcvideo.errors import plain

_SHOWN = 3
_NAME = 30


def summary(key: str, numbers: Mapping[str, Any]) -> str:
    """The lines.

    Args:
        key: what was measured, such as ``val of last.ckpt``.
        numbers: its entry of metrics.json.
    """
    intervals = numbers.get("intervals") or {}
    lines = [f"{key}: {_count(numbers['videos'], 'video')}, {numbers['views']}"]
    lines += [_accuracy("video level", numbers["top1"], intervals.get("top1"), numbers["top5"])]
    lines += [_accuracy("mean of classes", numbers["mean_class_top1"], intervals.get("mean_class_top1"), None)]
    lines += [_accuracy("clip level", numbers["clip_top1"], None, numbers["clip_top5"])]
    if intervals.get("top1"):
        lines.append(f"  (in brackets: {_how(numbers['top1'], _groups(intervals['groups'], numbers['videos']))})")
    lines += [*_calibration(numbers), *_confused(numbers), *_worst(numbers), *_missing(numbers)]
    return "\n".join(lines)


def shortened(name: str, longest: int = _NAME) -> str:
    """A class name in a line of text; a long one loses its middle."""
    name = plain(name).replace("\n", "\\n")
    if len(name) <= longest:
        return name
    return f"{name[: longest // 2]}…{name[len(name) - (longest - longest // 2 - 1) :]}"


def calibration(error: float, after: float | None, temperature: float) -> str:
    """The calibration error before and after temperature scaling; the temperature itself is of all videos.

    Args:
        error: 0 to 1.
        after: with each half of the videos scaled by the other half's temperature; None without halves.
        temperature: of all videos together.
    """
    text = f"error {error:.1%}"
    scaled = f"after scaling {after:.1%}, each half with the other's temperature" if after is not None else ""
    return f"{text}; {scaled} (of all together: {temperature:.2f})" if scaled else text


def percent_interval(interval: Any) -> str:
    """``(14.3 to 27.9)``; nothing where there is none."""
    return f"({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""


def _accuracy(level: str, top1: float, interval: Any, top5: float | None) -> str:
    text = f"  {level:<15}  top-1 {top1:6.1%} {percent_interval(interval):<16}"
    return (text if top5 is None else f"{text}  top-5 {top5:6.1%}").rstrip()


def _calibration(numbers: Mapping[str, Any]) -> list[str]:
    if numbers.get("ece") is None:
        return []
    after = numbers.get("ece_after_temperature")
    return [f"  {'calibration':<15}  {calibration(numbers['ece'], after, numbers['temperature'])}"]


def _confused(numbers: Mapping[str, Any]) -> list[str]:
    return _listed(
        "most confused",
        [
            f"{shortened(pair['label'])} taken for {shortened(pair['prediction'])}: "
            f"{_count(pair['videos'], 'video')}, {pair['share']:.0%} of the class"
            for pair in numbers.get("most_confused", [])[:_SHOWN]
        ],
    )


def _worst(numbers: Mapping[str, Any]) -> list[str]:
    return _listed(
        "surest mistakes",
        [
            f"{answer['probability']:.1%} {shortened(answer['prediction'])}, but {shortened(answer['label'])}: "
            f"{_part(answer)}"
            for answer in numbers.get("worst", [])[:_SHOWN]
        ],
    )


def _part(answer: Mapping[str, Any]) -> str:
    """The file's name (the table has its path), and where in it where that is not its beginning."""
    name = plain(Path(answer["video"]).name).replace("\n", "\\n")
    return f"{name} from {answer['start']:.1f} s" if answer["start"] else name


def _missing(numbers: Mapping[str, Any]) -> list[str]:
    lines = []
    if numbers["failed"]:
        lines.append(f"  {_count(numbers['failed'], 'video')} could not be read: no score; see column failure")
    if numbers.get("incomplete"):
        lines.append(f"  {_count(numbers['incomplete'], 'video')} with fewer views than asked for; see column views")
    if numbers.get("not_measured"):
        lines.append(f"  {_count(numbers['not_measured'], 'video')} of the split not measured")
    if numbers.get("undecodable"):
        lines.append(
            f"  {_count(numbers['undecodable'], 'video')} of the split left out: the index could not decode them"
        )
    return lines


def _listed(title: str, rows: list[str]) -> list[str]:
    return [f"  {title if number == 0 else '':<15}  {row}" for number, row in enumerate(rows)]


def _how(top1: float, groups: str) -> str:
    """How an interval comes about, see ``evaluation/intervals.py``."""
    return f"95 % interval, {f'bootstrap over {groups}' if 0 < top1 < 1 else f'exact binomial of {groups}'}"


def _groups(groups: int, videos: int) -> str:
    return "the videos" if groups == videos else f"{groups} groups of videos"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
