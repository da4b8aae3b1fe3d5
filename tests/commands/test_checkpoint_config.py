"""A checkpoint is measured without naming its configuration."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gcvideo.cli import run
from gcvideo.commands.running.checkpoint_config import config_of_checkpoint
from gcvideo.data.folder import VideoFolder
from gcvideo.data.labels import number_labels
from gcvideo.data.manifest import Manifest, write_manifest
from gcvideo.errors import InputError
from gcvideo.evaluation.prediction_files import read_predictions
from tests.conftest import video_record

Fit = Callable[..., Path]
QUIET = ["--trainer.logger=false", "--trainer.accelerator=cpu"]


def _changed(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    state = torch.load(path, weights_only=True)
    change(state)
    other = path.with_name("other.ckpt")
    torch.save(state, other)
    return other


def test_validation_needs_the_checkpoint_alone_and_gives_what_fit_gave(fit: Fit) -> None:
    folder = fit("here")
    before = json.loads((folder / "metrics.json").read_text())["val"]
    assert run(["validate", "--ckpt_path", str(folder / "best.ckpt"), *QUIET]) == 0
    after = json.loads((folder / "metrics.json").read_text())["val"]
    assert before == after


def test_last_checkpoint_of_a_folder_is_found_and_an_option_overrides_its_configuration(
    fit: Fit, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    folder = fit("here")
    options = ["--ckpt_path=last", f"--run_dir={folder}", "--data.frame_stride=1", *QUIET]
    assert run(["validate", *options]) == 0
    assert "4 frames x stride 1" in capsys.readouterr().out
    assert caplog.text.count("the checkpoint was trained on other clips: frame_stride 2, here 1 (data.*)") == 1


def test_what_only_a_training_needs_is_not_taken_over(fit: Fit) -> None:
    folder = fit("here")
    taken = json.loads(config_of_checkpoint(["--ckpt_path", str(folder / "last.ckpt")])[1])
    assert set(taken["trainer"]) == {"precision"}
    assert not {"optimizer", "schedule", "mixing", "pretrained"} & set(taken["model"])


@pytest.mark.parametrize("name", ["antigravity.fly", "my.own.Backbone"])
def test_a_class_of_a_checkpoint_that_is_not_ours_is_not_imported(fit: Fit, name: str) -> None:
    def ask(state: dict[str, Any]) -> None:
        state["config"]["model"]["backbone"] = {"class_path": name}

    other = _changed(fit("here") / "best.ckpt", ask)
    with pytest.raises(InputError, match=f"asks for {name}, which is no part of gcvideo.*--config FILE"):
        config_of_checkpoint(["--ckpt_path", str(other)])


def test_a_checkpoint_without_its_configuration_is_refused(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    other = _changed(fit("here") / "best.ckpt", lambda state: state.pop("config"))
    assert run(["test", "--ckpt_path", str(other)]) == 1
    assert "does not say how its network is built" in capsys.readouterr().err


def test_without_checkpoint_and_configuration_the_cure_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["test"]) == 2
    assert "--ckpt_path" in capsys.readouterr().err


def test_half_precision_of_a_gpu_is_measured_in_that_of_a_processor(fit: Fit, caplog: pytest.LogCaptureFixture) -> None:
    def pretend(state: dict[str, Any]) -> None:
        state["config"]["trainer"]["precision"] = "16-mixed"

    other = _changed(fit("here") / "best.ckpt", pretend)
    assert run(["validate", "--ckpt_path", str(other), *QUIET]) == 0
    assert "trained with 16-mixed, which processors do not have; here it is bf16-mixed" in caplog.text


@pytest.mark.parametrize("part", ["seed_everything", "data"])
def test_a_part_of_the_configuration_that_is_missing_is_named(
    fit: Fit, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = _changed(fit("here") / "best.ckpt", lambda state: state["config"].pop(part))
    assert run(["validate", "--ckpt_path", str(other), *QUIET]) == 1
    assert f"other.ckpt: '{part}' is missing, or is not as this version of gcvideo writes it" in capsys.readouterr().err


def test_other_sizes_are_told(fit: Fit, caplog: pytest.LogCaptureFixture) -> None:
    folder = fit("here")
    sizes = ["--data.short_side_px=48", "--data.crop_px=40"]
    assert run(["validate", "--ckpt_path", str(folder / "best.ckpt"), *sizes, *QUIET]) == 0
    assert "short_side_px 32, here 48, crop_px 32, here 40 (data.*)" in caplog.text


def test_other_videos_of_some_of_the_classes_are_measured_and_the_own_numbers_stay(
    fit: Fit, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``run`` alone is label 1 as it was learned, also from a manifest where it is label 0."""
    folder, other = fit("here", "--final_test=true", "--trainer.max_epochs=1"), tmp_path / "other"
    before = json.loads((folder / "metrics.json").read_text())
    assert (before["test"]["data"], before["test"]["own_data"]) == (str(videos), True)
    shutil.copytree(videos / "val" / "run", other / "test" / "run")
    assert run(["index", str(other), "--out", "m.csv"]) == 0
    best = ["test", "--ckpt_path", str(folder / "best.ckpt"), *QUIET]
    for source, path in (("--data.init_args.manifest", Path("m.csv").absolute()), ("--data.root", other)):
        assert run([*best, source, str(path)]) == 0
        assert f"test of best.ckpt on {path}: 3 videos" in capsys.readouterr().out
        after = json.loads((folder / "metrics.json").read_text())
        entry = after[f"test of best.ckpt on {path}"]
        assert (entry["data"], entry["own_data"], entry["undecodable"]) == (str(path), False, 0)
        found = read_predictions(folder / entry["results"] / "predictions.parquet")
        assert (found.classes, found.labels.tolist(), found.origin["data"]) == (("jump", "run"), [1] * 3, str(path))
    assert {key: after[key] for key in before} == before
    assert len(after) == len(before) + 2
    (other / "test" / "run").rename(other / "test" / "swim")
    assert run([*best, f"--data.root={other}"]) == 1
    assert "'swim' is not in the class list (2 names" in capsys.readouterr().err


def test_manifest_of_an_unknown_class_is_refused(tmp_path: Path) -> None:
    record = video_record("a.mp4", label=1)
    write_manifest(Manifest(("jump", "swim"), (record,)), tmp_path / "m.csv")
    with pytest.raises(InputError, match=r"m\.csv: class swim not among the 2 classes"):
        VideoFolder(manifest=str(tmp_path / "m.csv"), classes=["jump", "run"]).manifest()
    assert VideoFolder(manifest=str(tmp_path / "m.csv"), classes=["swim"]).manifest().records[0].label == 0


def test_videos_that_are_named_take_the_place_of_the_others(fit: Fit) -> None:
    best = str(fit("here", "--trainer.max_epochs=1") / "best.ckpt")
    for named in (["--data.manifest", "m.csv"], ["--data.init_args.manifest=m.csv"]):
        options = json.loads(config_of_checkpoint(["--ckpt_path", best, *named])[1])["data"]["init_args"]
        assert (options["root"], options["classes"]) == (None, ["jump", "run"])


def test_numbers_of_a_list_are_found_among_learned_numbers_however_they_are_written() -> None:
    assert number_labels([("l.csv, line 1", "3.0"), ("l.csv, line 2", "03")], ("0", "1", "2", "3"))[1] == [3, 3]


def test_folder_of_the_training_is_found_from_another_and_its_loss_is_told(
    fit: Fit, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fit("here", "--data.root", videos.name, "--trainer.max_epochs=1")
    assert f"root: {videos.name}\n" in (folder / "config.yaml").read_text()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run(["validate", "--run_dir", str(folder), *QUIET]) == 0
    assert "val: 2 videos" in capsys.readouterr().out
    videos.rename(tmp_path / "moved")
    assert run(["validate", "--run_dir", str(folder), *QUIET]) == 1
    assert f"was trained with --data.root {videos}, and that is not here; say where" in capsys.readouterr().err


def test_run_folder_for_a_checkpoint_is_answered_with_its_best(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder; name a file in it: --ckpt_path .*best\.ckpt"):
        config_of_checkpoint(["--ckpt_path", str(tmp_path)])
