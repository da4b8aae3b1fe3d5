"""What ``gcvideo predict`` prints: a table of what is seen, and the files that failed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gcvideo.errors import plain
from gcvideo.predicting.prediction import Prediction, Unpredicted, percent

_WIDE = 10_000  # columns where no terminal says how many: a row is a line


def print_table(predictions: Sequence[Prediction], *, is_windowed: bool) -> None:
    """A row each: the best class, then the others, then what is wrong with the file.

    Args:
        predictions: of videos, or of parts of them.
        is_windowed: whether they are of parts, so that their seconds are shown.
    """
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    table = Table("video", *(["seconds"] if is_windowed else []), "class", "", "then", "remarks", box=None)
    table.columns[-3].justify = "right"
    for prediction in predictions:
        table.add_row(*(Text(plain(cell).replace("\n", "\\n")) for cell in _cells(prediction, is_windowed=is_windowed)))
    if predictions:
        console.print(table)
        damaged = len({prediction.path for prediction in predictions if prediction.damage})
        files = len({prediction.path for prediction in predictions})
        print(f"{files} videos predicted" + (f", {damaged} of them damaged" if damaged else ""))


def _cells(prediction: Prediction, *, is_windowed: bool) -> list[str]:
    seconds = [f"{prediction.start:.1f} - {prediction.end:.1f}"] if is_windowed else []
    pairs = list(zip(prediction.labels, prediction.probabilities, strict=True))
    then = ", ".join(f"{label} {percent(probability)}" for label, probability in pairs[1:])
    damage = f"damaged: {prediction.damage}" if prediction.damage else ""
    return [prediction.path, *seconds, pairs[0][0], percent(pairs[0][1]), then, damage]


def print_failures(failed: Sequence[Unpredicted], num_files: int, *, is_windowed: bool) -> bool:
    """A line each.

    Args:
        failed: files, or parts of files.
        num_files: that were to be predicted.
        is_windowed: whether they are parts.

    Returns:
        Whether there are any.
    """
    if not failed:
        return False
    named = len({failure.path for failure in failed})
    print(f"gcvideo: {named} of {num_files} files failed:", file=sys.stderr)
    for failure in failed:
        place = f", {failure.start:.1f} s" if is_windowed and failure.end is not None else ""
        print(plain(f"  {failure.path}{place}: {failure.reason}").replace("\n", "\\n"), file=sys.stderr)
    return True
