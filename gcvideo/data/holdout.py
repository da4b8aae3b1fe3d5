"""Holds out part of the training videos, by group, to choose the best checkpoint on."""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from pathlib import Path

from gcvideo.errors import InputError
from gcvideo.records import VideoRecord


def hold_out(
    records: list[VideoRecord], *, fraction: float, group: str | None
) -> tuple[list[VideoRecord], list[VideoRecord]]:
    """Splits videos into (kept, held out) so that no group of a class is on both sides.

    In each class the same share of groups is held out, at least one; which ones depends on the file names alone, so
    every run holds out the same. A class with a single group is not split: all of it is kept.

    A group is one of its class: UCF101's g01 of one class has nothing to do with that of another. Where groups are
    persons that occur in several classes, the order in which they are taken is the same in all of them, so classes
    with the same persons hold out the same ones; with others in some classes, a person may be on both sides. Such a
    set needs a val split by person (a val/ folder, or the split column of a table) and ``holdout=0``.

    Args:
        records: the videos.
        fraction: the share of groups to hold out, 0 < fraction < 1.
        group: a regular expression; files whose match (or the first bracket in it that matched) is the same belong
            together, within a class; where persons are kept apart, the bracket holds the person. Without it, and for
            files it does not match, each file stands for itself.

    Raises:
        InputError: if nothing can be held out.
    """
    if not records:
        raise InputError("no training videos to hold some out of; put a folder per class into train/")
    groups: dict[int, dict[str, list[VideoRecord]]] = defaultdict(lambda: defaultdict(list))
    pattern = re.compile(group) if group else None
    for record in records:
        groups[record.label][_group_name(record, pattern)].append(record)
    held: set[str] = set()
    for members in groups.values():
        names = sorted(members, key=_digest)
        count = min(len(names) - 1, max(1, math.ceil(fraction * len(names) - 0.5)))
        held.update(record.path for name in names[:count] for record in members[name])
    if not held:
        raise InputError(
            f"no class has two groups of videos to choose the best checkpoint on (data.group is {group!r}); "
            "choose it on val/ with --data.holdout=0, or split file by file with --data.group=null"
        )
    return [r for r in records if r.path not in held], [r for r in records if r.path in held]


def check_holdout(fraction: float, group: str | None) -> None:
    """Refuses a share that is none, and a pattern that is no regular expression.

    Raises:
        InputError: naming the option and its value.
    """
    if not 0 <= fraction < 1:
        raise InputError(f"data.holdout is {fraction}; expected a share of the training videos, 0 to below 1")
    try:
        re.compile(group or "")
    except re.error as error:
        raise InputError(f"data.group is {group!r}, not a regular expression: {error}") from None


def matched_group(path: str, pattern: re.Pattern[str] | None) -> str | None:
    """What of a file's name says which group it belongs to; None where the pattern matches nothing."""
    match = pattern.search(Path(path).name) if pattern else None
    if match is None:
        return None
    return next((text for text in match.groups() if text is not None), match.group(0))


def _group_name(record: VideoRecord, pattern: re.Pattern[str] | None) -> str:
    matched = matched_group(record.path, pattern)
    return Path(record.path).name if matched is None else matched


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
