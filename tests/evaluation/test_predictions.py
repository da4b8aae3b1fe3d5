from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gcvideo.errors import InputError
from gcvideo.evaluation.prediction_files import as_csv, as_parquet, read_predictions
from gcvideo.evaluation.predictions import Predictions, predictions_of
from gcvideo.records import Evaluation
from tests.conftest import video_record
from tests.evaluation.tables import ORIGIN, table

ODD_NAMES = ('a, "quoted" one', "video", "p_video", "=1+1", "跳ぶ", "line\nbreak")


def _written(predictions: Predictions, folder: Path) -> Path:
    path = folder / "predictions.parquet"
    path.write_bytes(as_parquet(predictions))
    return path


def _rows(predictions: Predictions) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(predictions), newline="")))


def test_parquet_gives_back_what_was_written(tmp_path: Path) -> None:
    videos = ("=cmd.mp4", "a,b.mp4", "ü.mp4", "d.mp4", "d.mp4", "f.mp4")
    before = table([0, 1, 2, 3, 4, 5], [0, 2, -1, 3, 4, 5], classes=ODD_NAMES, videos=videos, starts=np.arange(6) / 3)
    after = read_predictions(_written(before, tmp_path))
    for name in ("classes", "videos", "groups", "failures", "origin"):
        assert getattr(after, name) == getattr(before, name)
    for name in ("starts", "ends", "labels", "probabilities", "views"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


def test_parquet_reads_without_us(tmp_path: Path) -> None:
    """One row a video, a column a class; what a video that could not be read has no value of is null."""
    found = pq.read_table(_written(table([0, 1], [2, -1]), tmp_path))
    assert found.column_names[:6] == ["video", "start", "end", "group", "label", "prediction"]
    assert found.column_names[6:] == [
        "probability",
        "true_probability",
        *("failure", "views"),
        "p_class 0",
        "p_class 1",
        "p_class 2",
    ]
    read, unread = found.to_pylist()
    assert (read["label"], read["prediction"]) == ("class 0", "class 2")
    assert read["probability"] == max(read[f"p_class {number}"] for number in range(3))
    assert read["true_probability"] == read["p_class 0"]
    assert [name for name, value in unread.items() if value is None] == [
        *("prediction", "probability", "true_probability"),
        *(f"p_class {number}" for number in range(3)),
    ]
    assert unread["failure"] == "it is damaged"
    assert found.schema.field("p_class 0").type == pa.float32()


def test_csv_has_the_same_rows(tmp_path: Path) -> None:
    predictions = table([0, 1, 2], [0, -1, 1], ends=np.array([3661.234, 1, 2]))
    rows = _rows(predictions)
    assert [row["prediction"] for row in rows] == ["class 0", "", "class 1"]
    assert [row["failure"] for row in rows] == ["", "it is damaged", ""]
    assert rows[0]["end"] == "3661.234"
    assert float(rows[2]["p_class 1"]) == pytest.approx(predictions.probabilities[2, 1], abs=1e-6)
    assert rows[1]["p_class 0"] == rows[1]["probability"] == ""


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-x", "@sum", "\tx", "\rx"])
def test_cell_of_the_csv_is_no_formula(name: str) -> None:
    rows = _rows(table([0], [0], classes=(name, "plain"), videos=(name,), groups=(name,)))
    assert [rows[0][column] for column in ("video", "group", "label", "prediction")] == [f"'{name}"] * 4
    assert all(column[0].isalpha() for column in rows[0])


def test_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    odd = table([0], [0], videos=("/a/\udcff.mp4",))
    assert read_predictions(_written(odd, tmp_path)).videos == ("/a/\\udcff.mp4",)
    assert "\\udcff" in as_csv(odd)
    as_csv(odd).encode()


def test_file_that_is_none_of_ours_is_refused_in_a_line(tmp_path: Path) -> None:
    whole = as_parquet(table([0, 1], [0, 1]))
    (tmp_path / "half.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.parquet").write_bytes(b"")
    (tmp_path / "text.parquet").write_text("no table")
    for name in ("half", "empty", "text"):
        with pytest.raises(InputError, match=f"{name}.parquet is damaged, or no Parquet file"):
            read_predictions(tmp_path / f"{name}.parquet")
    pq.write_table(pa.table({"video": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="does not name its classes"):
        read_predictions(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="no such file"):
        read_predictions(tmp_path / "none.parquet")


@pytest.mark.parametrize("column", ["label", "start", "p_class 1"])
def test_missing_column_is_named(tmp_path: Path, column: str) -> None:
    path = _written(table([0, 1], [0, 1]), tmp_path)
    pq.write_table(pq.read_table(path).drop_columns([column]), path)
    with pytest.raises(InputError, match=f"no column '{column}'"):
        read_predictions(path)


def test_column_of_something_else_is_refused(tmp_path: Path) -> None:
    path = _written(table([0, 1], [0, 1]), tmp_path)
    found = pq.read_table(path)
    for column in ("start", "label", "p_class 1"):
        place = found.column_names.index(column)
        pq.write_table(found.set_column(place, column, pa.array(["x", "y"])), path)
        with pytest.raises(InputError, match="a column holds what does not belong there"):
            read_predictions(path)


def _evaluation(video_indices: list[int], failures: tuple[str, ...]) -> Evaluation:
    labels = torch.zeros(len(video_indices), dtype=torch.long)
    probabilities = torch.tensor([[0.75, 0.25]]).repeat(len(labels), 1)
    views = torch.arange(1, len(labels) + 1)
    values = torch.tensor(video_indices), labels, probabilities, int(views.sum()), 1.0, 1.0, 0.1, failures
    return Evaluation(*values, views=views)


def test_rows_are_in_the_order_of_the_split_and_failed_videos_are_among_them() -> None:
    records = [video_record(f"{name}.mp4") for name in "abcd"]
    found = predictions_of(
        _evaluation([0, 2], ("b.mp4: gone", "d.mp4: empty")), records, ("x", "y"), list("abcd"), ORIGIN
    )
    assert found.videos == ("a.mp4", "b.mp4", "c.mp4", "d.mp4")
    assert found.failures == ("", "b.mp4: gone", "", "d.mp4: empty")
    assert found.is_scored.tolist() == found.hits.tolist() == [True, False, True, False]
    assert found.scored().videos == ("a.mp4", "c.mp4")
    assert (found.views.tolist(), found.scored().views.tolist()) == ([1, 0, 2, 0], [1, 2])


def test_videos_that_a_limit_left_out_have_no_row() -> None:
    records = [video_record(f"{name}.mp4") for name in "abcd"]
    found = predictions_of(_evaluation([0], ("b.mp4: gone",)), records, ("x", "y"), list("abcd"), ORIGIN)
    assert found.videos == ("a.mp4", "b.mp4")
    assert found.failures == ("", "b.mp4: gone")
