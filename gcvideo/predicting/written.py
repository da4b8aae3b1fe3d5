"""Predictions as a file: CSV with a row for each video or part, or JSON; files that failed are in it, too."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from gcvideo.errors import InputError
from gcvideo.predicting.prediction import Outcome, Prediction

_ENDINGS = (".csv", ".json")


def check_out(path: Path) -> None:
    """Before any work.

    Raises:
        InputError: if the ending is neither .csv nor .json, or nothing can be written there.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise InputError(f"--out {path}: expected a name that ends in .csv or .json", exit_code=2)
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"--out {path}: there is no folder {folder}; make it first", exit_code=2)
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK) or not os.access(folder, os.W_OK):
        raise InputError(f"--out {path}: cannot be written; name another file", exit_code=2)


def write_outcomes(path: Path, outcomes: Sequence[Outcome], about: dict[str, Any], *, top: int) -> None:
    """Writes all of it or nothing.

    Args:
        path: .csv or .json.
        outcomes: a row each, in this order.
        about: what else a JSON says, such as the checkpoint.
        top: how many classes a row of a CSV has room for.

    Raises:
        InputError: if it cannot be written.
    """
    text = _csv(outcomes, top) if path.suffix.lower() == ".csv" else _json(outcomes, about)
    replace_text(path, text)


def replace_text(path: Path, text: str) -> None:
    """Writes a file beside its place and gives it its name when it is whole.

    Raises:
        InputError: if it cannot be written.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def _csv(outcomes: Sequence[Outcome], top: int) -> str:
    ranks = [name for rank in range(1, top + 1) for name in (f"label_{rank}", f"probability_{rank}")]
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["path", "start", "end", *ranks, "damage", "failure"])
    for outcome in outcomes:
        writer.writerow(_row(outcome, top))
    return file.getvalue()


def seconds(time: float) -> str:
    """To a microsecond, without zeros at its end."""
    return f"{time:.6f}".rstrip("0").rstrip(".")


def _row(outcome: Outcome, top: int) -> list[str]:
    place = [outcome.path, seconds(outcome.start), "" if outcome.end is None else seconds(outcome.end)]
    if not isinstance(outcome, Prediction):
        return [*place, *[""] * (2 * top), "", outcome.reason]
    best = zip(outcome.labels, outcome.probabilities, strict=True)
    cells = [cell for label, probability in best for cell in (label, f"{probability:.8g}")]
    return [*place, *cells, *[""] * (2 * top - len(cells)), outcome.damage, ""]


def _json(outcomes: Sequence[Outcome], about: dict[str, Any]) -> str:
    videos = [_entry(outcome) for outcome in outcomes]
    return json.dumps({**about, "videos": videos}, indent=1, ensure_ascii=False) + "\n"


def _entry(outcome: Outcome) -> dict[str, Any]:
    place = {"path": outcome.path, "start": outcome.start, "end": outcome.end}
    if not isinstance(outcome, Prediction):
        return {**place, "failure": outcome.reason}
    best = zip(outcome.labels, outcome.probabilities, strict=True)
    named = [{"label": label, "probability": probability} for label, probability in best]
    return {**place, "top": named, "damage": outcome.damage}
