"""Predictions as a file: CSV with a row for each video or part, or JSON; files that failed are in it, too.

Both are UTF-8: bytes of a file name that are no text are written out. A text that a spreadsheet would take for a
formula begins with an apostrophe in the CSV.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from gcvideo.errors import InputError
from gcvideo.evaluation.prediction_files import for_spreadsheets
from gcvideo.predicting.prediction import Outcome, Prediction

_ENDINGS = (".csv", ".json")


@dataclass(frozen=True)
class MadeFiles:
    """What was written of videos, by the path of the video; of one that failed there is nothing.

    Attributes:
        annotated: the videos with their labels.
        timelines: the pictures of their windows.
    """

    annotated: Mapping[str, Path] = field(default_factory=dict)
    timelines: Mapping[str, Path] = field(default_factory=dict)

    def of(self, path: str) -> dict[str, str]:
        """As columns; empty where there is none."""
        found = {"annotated": self.annotated.get(path), "timeline": self.timelines.get(path)}
        return {name: "" if file is None else str(file) for name, file in found.items()}


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


def write_outcomes(
    path: Path, outcomes: Sequence[Outcome], about: dict[str, Any], *, top: int, made: MadeFiles | None = None
) -> None:
    """Writes all of it or nothing.

    Args:
        path: .csv or .json.
        outcomes: a row each, in this order.
        about: what else a JSON says, such as the checkpoint.
        top: how many classes a row of a CSV has room for.
        made: which other files were written.

    Raises:
        InputError: if it cannot be written.
    """
    made = made or MadeFiles()
    text = _csv(outcomes, top, made) if path.suffix.lower() == ".csv" else _json(outcomes, about, made)
    replace_file(path, text.encode())


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file beside its place and gives it its name when it is whole; its folder is made.

    Raises:
        InputError: if it cannot be written; then nothing is left of it, and a file that was there stays.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            beside.unlink()


def _csv(outcomes: Sequence[Outcome], top: int, made: MadeFiles) -> str:
    ranks = [name for rank in range(1, top + 1) for name in (f"label_{rank}", f"probability_{rank}")]
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["path", "start", "end", *ranks, "damage", "failure", *made.of("")])
    for outcome in outcomes:
        writer.writerow(map(for_spreadsheets, [*_row(outcome, top), *made.of(outcome.path).values()]))
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


def _json(outcomes: Sequence[Outcome], about: dict[str, Any], made: MadeFiles) -> str:
    videos = [{**_entry(outcome), **made.of(outcome.path)} for outcome in outcomes]
    return json.dumps(_valid({**about, "videos": videos}), indent=1, ensure_ascii=False) + "\n"


def _valid(value: Any) -> Any:
    """Nested values whose texts UTF-8 can hold: other bytes are written out."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {name: _valid(part) for name, part in value.items()}
    return [_valid(part) for part in value] if isinstance(value, list) else value


def _entry(outcome: Outcome) -> dict[str, Any]:
    place = {"path": outcome.path, "start": outcome.start, "end": outcome.end}
    if not isinstance(outcome, Prediction):
        return {**place, "failure": outcome.reason}
    best = zip(outcome.labels, outcome.probabilities, strict=True)
    named = [{"label": label, "probability": probability} for label, probability in best]
    return {**place, "top": named, "damage": outcome.damage}
