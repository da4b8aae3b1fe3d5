from __future__ import annotations

import json
from pathlib import Path

import pytest

from gcvideo.cli import run
from gcvideo.evaluation.prediction_files import as_parquet
from gcvideo.evaluation.predictions import Predictions
from tests.evaluation.tables import ORIGIN, table


def _run_folder(folder: Path, **tables: Predictions) -> str:
    for split, predictions in tables.items():
        path = folder / "results" / split / "predictions.parquet"
        path.parent.mkdir(parents=True)
        path.write_bytes(as_parquet(predictions))
    return str(folder)


@pytest.fixture
def runs(tmp_path: Path) -> tuple[str, str]:
    """A is right on 35 of 40, B on 20 of them and on one that A has not."""
    labels = [number % 2 for number in range(40)]
    first = [1 - label if number < 5 else label for number, label in enumerate(labels)]
    second = [1 - label if 0 < number < 20 else label for number, label in enumerate(labels)]
    a, b = table(labels, first, 2), table(labels, second, 2, origin={**ORIGIN, "views": "10 x 3"})
    return _run_folder(tmp_path / "a", test=a, val=b), _run_folder(tmp_path / "b", test=b, val=b)


def test_difference_is_told_with_its_interval_and_test(
    runs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", *runs, "--out", str(tmp_path / "d.json")]) == 0
    out = capsys.readouterr().out
    assert "40 videos in 40 groups: only A is right on 15, only B on 1; McNemar p = 0.00052" in out
    assert "A is better on these videos beyond what chance would do" in out
    assert "A - B  +35.0 points" in out
    assert "note: the views differ" in out
    found = json.loads((tmp_path / "d.json").read_text())
    assert found["difference"] == pytest.approx(found["a"]["top1"] - found["b"]["top1"]) == pytest.approx(0.35)
    assert found["interval"][0] < 0.35 < found["interval"][1]
    assert (found["only_a_right"], found["only_b_right"], found["videos"]) == (15, 1, 40)


def test_same_run_twice_does_not_differ(runs: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", runs[0], runs[0]]) == 0
    out = capsys.readouterr().out
    assert "McNemar p = 1" in out
    assert "both are right on the same videos" in out


def test_one_video_has_no_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (_run_folder(tmp_path / name, val=table([0], [guess])) for name, guess in (("a", 0), ("b", 1)))
    assert run(["compare", one, other, "--out", str(tmp_path / "d.json")]) == 0
    assert "there is no interval" in capsys.readouterr().out
    assert json.loads((tmp_path / "d.json").read_text())["interval"] is None


def test_split_that_both_have_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = table([0, 1], [0, 1])
    a, b = _run_folder(tmp_path / "a", test=same, val=same), _run_folder(tmp_path / "b", val=same)
    assert run(["compare", a, b]) == 0
    assert capsys.readouterr().out.count("results/val/predictions.parquet") == 2
    assert run(["compare", f"{a}/results/test", f"{b}/results/val/predictions.parquet"]) == 0
    assert run(["compare", a, b, "--split", "test"]) == 2
    assert "has no results of 'test', but of: val" in capsys.readouterr().err
    c = _run_folder(tmp_path / "c", test=same)
    assert run(["compare", b, c]) == 1
    assert "nothing was measured with both" in capsys.readouterr().err


def test_mistakes_are_one_line(runs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.csv").write_text("a")
    for arguments, code, message in (
        ([runs[0]], 2, "required: RUN"),
        ([runs[0], str(tmp_path / "gone")], 2, "gone: no such file or folder"),
        ([runs[0], str(tmp_path / "empty")], 1, "has no predictions.parquet"),
        ([runs[0], str(tmp_path / "x.csv")], 2, "is the copy for spreadsheets"),
        ([*runs, "--out", str(tmp_path / "no" / "d.json")], 2, "name a file in a folder that is there"),
        ([*runs, "--out", str(tmp_path / "d.csv")], 2, "d.csv: expected a name that ends in .json"),
        ([*runs, "--slpit", "val"], 2, "did you mean '--split'"),
    ):
        assert run(["compare", *arguments]) == code
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert message in err


def test_help_says_how_to_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["compare", "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for text in ("gcvideo compare runs/with-blocks runs/baseline", "how to read it", "McNemar's exact test"):
        assert text in out
