from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gcvideo.cli import run
from gcvideo.commands.running.result_files import groups_of
from gcvideo.commands.running.result_folders import FILES, measurements, results_folder, show_in
from gcvideo.commands.running.summary import calibration, summary
from gcvideo.data.indexing.index import cached_manifest_path
from gcvideo.evaluation.prediction_files import read_predictions
from tests.conftest import video_record

Fit = Callable[..., Path]


def _measure(command: str, checkpoint: Path, *options: str) -> None:
    assert run([command, "--ckpt_path", str(checkpoint), "--trainer.logger=false", *options]) == 0


def _content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def test_validation_leaves_the_files_of_the_test_alone(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    """Each measurement has its folder; the run folder shows the last one."""
    folder = fit("here", "--final_test=true", "--trainer.max_epochs=1")
    test = _content(folder / "results" / "test")
    assert _content(folder) == test
    capsys.readouterr()
    _measure("validate", folder / "best.ckpt")
    assert str(folder / "results" / "val") in capsys.readouterr().out
    assert _content(folder / "results" / "test") == test
    assert _content(folder) == _content(folder / "results" / "val") != test
    _measure("validate", folder / "last.ckpt")
    assert measurements(folder) == ["test", "val", "val_of_last.ckpt"]
    of = {
        name: read_predictions(folder / "results" / name / "predictions.parquet").origin
        for name in measurements(folder)
    }
    assert [(o["split"], o["checkpoint"]) for o in of.values()] == [
        ("test", "best.ckpt"),
        ("val", "best.ckpt"),
        ("val", "last.ckpt"),
    ]
    entries = json.loads((folder / "metrics.json").read_text())
    assert {key: entry["results"] for key, entry in entries.items()} == {
        **{"test": "results/test", "val": "results/val", "val of last.ckpt": "results/val_of_last.ckpt"}
    }


def test_table_is_what_was_measured(fit: Fit, videos: Path) -> None:
    folder = fit("here", "--final_test=true", "--trainer.max_epochs=1", r"--data.group=_g(\d+)_")
    found = read_predictions(folder / "predictions.parquet")
    numbers = json.loads((folder / "metrics.json").read_text())["test"]
    assert numbers["top1"] == pytest.approx(found.hits.mean(), abs=1e-6)
    assert (len(found.videos), numbers["videos"], numbers["intervals"]["groups"]) == (6, 6, 6)
    assert [Path(video).parent.name for video in found.videos] == [found.classes[label] for label in found.labels]
    assert set(found.groups) == {f"{name}/0{number}" for name in ("jump", "run") for number in range(3)}
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        assert [row["video"] for row in csv.DictReader(file)] == list(found.videos)
    assert found.origin["views"] == numbers["views"]


def test_video_that_cannot_be_read_and_one_left_out_are_said(
    fit: Fit, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fit("here", "--trainer.max_epochs=1")
    capsys.readouterr()
    sorted((videos / "val" / "jump").iterdir())[0].unlink()
    indexed = ["--data.root=null", f"--data.manifest={cached_manifest_path(videos)}"]
    _measure("test", folder / "best.ckpt", *indexed, "--data.batch_size=1", "--trainer.limit_test_batches=4")
    out = capsys.readouterr().out
    assert "1 video could not be read" in out
    assert "2 videos of the split not measured" in out
    found = read_predictions(folder / "predictions.parquet")
    assert [bool(line) for line in found.failures] == [True, False, False, False]
    numbers = json.loads((folder / "metrics.json").read_text())["test"]
    assert (numbers["videos"], numbers["failed"], numbers["not_measured"]) == (3, 1, 2)


def test_videos_of_the_split_that_the_index_left_out_are_counted(
    fit: Fit, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (videos / "val" / "run" / "broken.mp4").write_bytes(b"no video")
    (videos / "train" / "run" / "broken.mp4").write_bytes(b"no video")
    folder = fit("here", "--final_test=true", "--trainer.max_epochs=1")
    numbers = json.loads((folder / "metrics.json").read_text())["test"]
    assert (numbers["videos"], numbers["undecodable"]) == (6, 1)
    assert "1 video of the split left out: the index could not decode them" in capsys.readouterr().out
    assert read_predictions(folder / "predictions.parquet").views.tolist() == [1] * 6


def test_calibration_of_halves_is_told_from_the_temperature_of_all() -> None:
    assert calibration(0.166, 0.457, 0.22) == (
        "error 16.6%; after scaling 45.7%, each half with the other's temperature (of all together: 0.22)"
    )
    assert calibration(0.166, None, 0.22) == "error 16.6%"


def test_files_of_numbers_that_hold_no_longer_go_with_them(fit: Fit) -> None:
    folder = fit("here", "--trainer.max_epochs=1", "--best_after=0.9")
    _measure("test", folder / "last.ckpt")
    (folder / "results" / "test_of_last.ckpt" / "mine.txt").write_text("kept")
    _measure("test", folder / "best.ckpt")
    fit("here", "--trainer.max_epochs=2", "--best_after=0.9", "--ckpt_path=last")
    assert measurements(folder) == ["val"]
    assert [path.name for path in (folder / "results" / "test_of_last.ckpt").iterdir()] == ["mine.txt"]


def test_groups_are_those_of_a_class_or_files() -> None:
    records = [
        video_record(f"/d/{name}.mp4", label=label) for name, label in (("v_g01_c1", 0), ("v_g01_c2", 1), ("x", 1))
    ]
    assert groups_of(records, ("a", "b"), r"_g(\d+)_") == ["a/01", "b/01", "/d/x.mp4"]
    assert groups_of(records, ("a", "b"), None) == [record.path for record in records]


def test_checkpoints_of_one_name_from_two_places_have_two_folders(tmp_path: Path) -> None:
    names = {results_folder(tmp_path, "val", f"/{place}/best.ckpt").name for place in "ab"}
    assert len(names) == 2
    assert all(name.startswith("val_of_best.ckpt-") for name in names)


def test_disk_without_second_names_gets_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    results = tmp_path / "results" / "val"
    results.mkdir(parents=True)
    for name in FILES:
        (results / name).write_text(name)
    show_in(tmp_path, results)
    monkeypatch.setattr("os.link", refuse)
    for _ in range(2):
        show_in(tmp_path, results)
    assert {path.name for path in tmp_path.iterdir()} == {"results", *FILES}
    assert all((tmp_path / name).read_text() == name for name in FILES)


def test_summary_is_short_with_any_number_of_classes_and_names() -> None:
    names = [f"class number {k} with a name that is longer than a line\x1b" for k in range(400)]
    numbers = {
        **{"videos": 19_796, "views": "10 x 3 views a video", "failed": 0, "incomplete": 2, "not_measured": 0},
        **dict.fromkeys(("top1", "top5", "mean_class_top1", "clip_top1", "clip_top5"), 0.75),
        "intervals": {"level": 0.95, "groups": 4000, "top1": [0.74, 0.76], "mean_class_top1": None},
        **{"ece": 0.05, "temperature": 1.5, "ece_after_temperature": 0.01},
        "most_confused": [{"label": a, "prediction": a, "videos": 1, "share": 0.5} for a in names[:10]],
        "worst": [{"video": "/a/b.mp4", "start": 2.5, "label": a, "prediction": a, "probability": 0.9} for a in names],
    }
    lines = summary("test", numbers).splitlines()
    assert len(lines) == 13
    assert max(map(len, lines)) <= 120
    assert not any("\x1b" in line for line in lines)
    assert lines[1].startswith("  video level      top-1  75.0% (74.0 to 76.0)")
    assert "b.mp4 from 2.5 s" in lines[9]
