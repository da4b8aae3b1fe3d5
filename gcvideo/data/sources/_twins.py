"""Rows of a list against each other: the same video twice, parts of one that overlap."""

from __future__ import annotations

import math
import os
from itertools import chain, combinations
from pathlib import Path
from typing import TYPE_CHECKING

from gcvideo.errors import InputError

if TYPE_CHECKING:
    from gcvideo.data.sources._rows import ListedVideo

_TOUCHING_S = 1e-3  # parts that end and begin here share no frame


def without_twins(rows: list[ListedVideo], labels: list[int]) -> tuple[list[tuple[ListedVideo, int]], list[str]]:
    """Each video, or part of one, once in each split; and where the others stood."""
    seen: dict[tuple[str, float, float | None], list[tuple[ListedVideo, int]]] = {}
    kept, twice = [], []
    for row, label in zip(rows, labels, strict=True):
        twins = seen.setdefault((os.path.abspath(row.path), row.start, row.end), [])
        for other, other_label in twins:
            _check_twin(row, other, label == other_label)
        if any(other.split == row.split for other, _ in twins):
            twice.append(f"{row.path} ({row.where})")
        else:
            twins.append((row, label))
            kept.append((row, label))
    return kept, twice


def overlaps(kept: list[tuple[ListedVideo, int]]) -> list[str]:
    """A note where parts of a video overlap that have different labels; for training and evaluation it is refused."""
    parts: dict[Path, list[tuple[ListedVideo, int]]] = {}
    for row, label in kept:
        parts.setdefault(row.path, []).append((row, label))
    found = []
    for (one, label), (other, other_label) in chain.from_iterable(combinations(p, 2) for p in parts.values()):
        if min(one.end or math.inf, other.end or math.inf) - max(one.start, other.start) < _TOUCHING_S:
            continue
        if one.split != other.split and "train" in (one.split, other.split):
            raise InputError(
                f"{other.where}: a part of {other.path} is for {other.split} here and overlaps with one for "
                f"{one.split} in {one.where}; what is trained on cannot be evaluated on"
            )
        found += [f"{one.path} ({one.where} and {other.where})"] if label != other_label else []
    return [f"{len(found)} pairs of parts overlap and have different labels, the first: {found[0]}"] if found else []


def _check_twin(row: ListedVideo, other: ListedVideo, same_label: bool) -> None:
    if not same_label:
        raise InputError(
            f"{row.where}: {row.path} has the label {row.label!r} here and {other.label!r} in {other.where}; several "
            "labels for a video are not supported, keep one"
        )
    if row.split != other.split and "train" in (row.split, other.split):  # val and test are often the same list
        raise InputError(
            f"{row.where}: {row.path} is for {row.split} here and for {other.split} in {other.where}; a video that is "
            "trained on cannot be evaluated on, delete one of the lines"
        )
