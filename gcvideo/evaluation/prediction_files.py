"""The table of predictions as a file: Parquet, which is read again, and CSV, for a spreadsheet.

Columns: ``video`` (its path), ``start`` and ``end`` (seconds; a file may hold several parts), ``group`` (videos that
belong together), ``label``, ``prediction``, ``probability`` of the prediction, ``true_probability`` of the label,
``failure`` (why a video could not be read; then all that the network would have said is null, and the row is there all
the same), ``views`` (how many of its views have a score: fewer than others where parts could not be read), and a column
``p_CLASS`` for each class. No column of ours begins so, whatever the classes are called.

The Parquet file has the probabilities as they are (float32) and, in its metadata under ``gcvideo``, an object with
``classes`` in the order of the labels, ``split``, ``views``, ``checkpoint``, ``step``, ``epoch``, ``data`` (folder or
manifest), ``own_data`` (whether the checkpoint's training named it) and ``gcvideo`` (the version). The CSV has the same
rows with six digits.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gcvideo.errors import InputError
from gcvideo.evaluation.predictions import Predictions

PARQUET, CSV = "predictions.parquet", "predictions.csv"
_KEY = b"gcvideo"
_TEXTS = ("video", "group", "label", "prediction", "failure")
_SAID = ("prediction", "probability", "true_probability")  # by the network
_READ = ("video", "start", "end", "group", "label", "failure", "views")
_FORMULAS = tuple("=+-@\t\r")


def as_parquet(predictions: Predictions) -> bytes:
    """The content of the Parquet file."""
    unread, arrays = ~predictions.is_scored, {}
    for name, values in _columns(predictions).items():
        cells = [_valid(text) for text in values] if name in _TEXTS else values
        arrays[name] = pa.array(cells, mask=unread if name in _SAID else None)
    for label, name in enumerate(predictions.classes):
        arrays[f"p_{_valid(name)}"] = pa.array(predictions.probabilities[:, label], mask=unread)
    about = {"classes": [_valid(name) for name in predictions.classes], **predictions.origin}
    table = pa.table(arrays).replace_schema_metadata({_KEY: json.dumps(about)})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def as_csv(predictions: Predictions) -> str:
    """The content of the CSV: six significant digits, and nothing that a spreadsheet would execute.

    A cell that begins like a formula (``= + - @``, a tab) begins with an apostrophe there; such are paths and classes.
    """
    columns, file = _columns(predictions), io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([*columns, *(f"p_{_valid(name)}" for name in predictions.classes)])
    scored = predictions.is_scored
    for row, probabilities in enumerate(predictions.probabilities):
        cells = ["" if name in _SAID and not scored[row] else _cell(values[row]) for name, values in columns.items()]
        digits = map("{:.6g}".format, probabilities.tolist()) if scored[row] else [""] * len(probabilities)
        writer.writerow([*cells, *digits])
    return file.getvalue()


def for_spreadsheets(text: str) -> str:
    """A text as a cell of a CSV, with an apostrophe where it would else be taken for a formula."""
    valid = _valid(text)
    return f"'{valid}" if valid.startswith(_FORMULAS) else valid


def read_predictions(path: Path) -> Predictions:
    """Reads the Parquet file of an evaluation.

    Raises:
        InputError: if there is no such file, or it is damaged or not one of ours.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; gcvideo validate and gcvideo test leave {PARQUET}")
    if path.suffix == ".csv":
        raise InputError(f"{path} is the copy for spreadsheets; give {path.with_suffix('.parquet')}", exit_code=2)
    try:
        table = pq.read_table(path)
        about = json.loads((table.schema.metadata or {}).get(_KEY, b"null"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} is damaged, or no Parquet file; measure again with gcvideo test") from error
    if not isinstance(about, dict) or not isinstance(about.get("classes"), list):
        raise InputError(f"{path} is a Parquet file, but not {PARQUET} of gcvideo (it does not name its classes)")
    missing = [n for n in (*_READ, *(f"p_{name}" for name in about["classes"])) if n not in table.column_names]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}; measure again with gcvideo test")
    try:
        return _read(table, about)
    except (pa.ArrowException, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: a column holds what does not belong there ({error}); measure again") from error


def _read(table: Any, about: dict[str, Any]) -> Predictions:
    texts = {name: tuple(table[name].to_pylist()) for name in ("video", "group", "label", "failure")}
    starts, ends = (table[name].to_numpy().astype(np.float64) for name in ("start", "end"))
    number_of = {name: number for number, name in enumerate(about["classes"])}
    probabilities = np.empty((len(table), len(number_of)), dtype=np.float32)
    for label, name in enumerate(number_of):
        probabilities[:, label] = table[f"p_{name}"].to_numpy()
    return Predictions(
        classes=tuple(number_of),
        videos=texts["video"],
        starts=starts,
        ends=ends,
        groups=texts["group"],
        labels=np.array([number_of[name] for name in texts["label"]], dtype=np.int64),
        probabilities=probabilities,
        failures=texts["failure"],
        views=table["views"].to_numpy().astype(np.int64),
        origin={name: value for name, value in about.items() if name != "classes"},
    )


def _columns(predictions: Predictions) -> dict[str, Any]:
    """The columns before those of the classes."""
    names, labels, predicted = predictions.classes, predictions.labels, predictions.predicted
    every = np.arange(len(labels))
    return {
        "video": predictions.videos,
        "start": predictions.starts,
        "end": predictions.ends,
        "group": predictions.groups,
        "label": [names[label] for label in labels],
        "prediction": [names[label] for label in predicted],
        "probability": predictions.probabilities[every, predicted],
        "true_probability": predictions.probabilities[every, labels],
        "failure": predictions.failures,
        "views": predictions.views,
    }


def _cell(value: Any) -> str:
    """A probability has six digits, a time its milliseconds."""
    if not isinstance(value, str):
        return f"{value:.6g}" if isinstance(value, np.float32) else f"{value:.10g}"
    return for_spreadsheets(value)


def _valid(text: str) -> str:
    """Bytes of a file name that are no text, written out; no file in UTF-8 can hold them."""
    return text.encode("utf-8", "backslashreplace").decode()
