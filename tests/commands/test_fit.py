from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from gcvideo.cli import run
from gcvideo.commands.running.result_folders import FILES
from gcvideo.tracking.metrics_log import read_metrics
from tests.commands.conftest import SMALL

Fit = Callable[..., Path]


def _losses(folder: Path) -> list[tuple[int, float]]:
    return [(row["step"], row["train/loss"]) for row in read_metrics(folder) if "train/loss" in row]


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    return state


def _leet(folder: Path, *options: str) -> str:
    """What W&B's own reader says of an offline run."""
    (offline,) = (folder / "wandb").glob("offline-run-*")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *options, str(offline)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_run_leaves_its_record(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fit("here")
    names = {"config.yaml", "last.ckpt", "previous.ckpt", "best.ckpt", "metrics.jsonl", "metrics.json", "curves.png"}
    assert {path.name for path in folder.iterdir()} == names | {"results", *FILES}
    assert [step for step, _ in _losses(folder)] == [0, 1, 2, 3, 4, 5]
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert (config["trainer"]["max_epochs"], config["model"]["backbone"]["init_args"]["width"]) == (2, 8)
    numbers = json.loads((folder / "metrics.json").read_text())["val"]
    assert (numbers["videos"], numbers["failed"]) == (2, 0)
    assert numbers["views"].startswith("1 x 1 views a video (clips x crops), 4 frames x stride 2, 32 px crop")
    summary = capsys.readouterr().out
    for text in ("epoch 2/2", "video level", "clip level", "run folder: here", "gcvideo test --ckpt_path here/"):
        assert text in summary


def test_next_commands_that_are_printed_run(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    fit("here")
    printed = [
        line.split("#")[0].split()[1:] for line in capsys.readouterr().out.splitlines() if line[:9] == "  gcvideo"
    ]
    assert [command[0] for command in printed] == ["test", "fit"]
    for command in printed:
        assert run([*command, "--trainer.logger=false"]) == 0
    assert "test: 6 videos" in capsys.readouterr().out


def test_saved_config_gives_the_same_run(fit: Fit) -> None:
    first = fit("first")
    assert run(["fit", "--config", str(first / "config.yaml"), "--run_dir", "second"]) == 0
    assert _losses(Path("second")) == _losses(first)


@pytest.mark.parametrize("precision", ["32", "bf16-mixed"])
def test_two_runs_are_identical_for_any_number_of_workers(fit: Fit, precision: str) -> None:
    options = [f"--trainer.precision={precision}", "--data.augmentation.jitter=0.4", "--model.mixing.mixup=0.2"]
    first = fit("first", *options)
    assert len(_losses(first)) == 6
    for workers in (0, 1, 2):
        again = fit(f"again{workers}", *options, f"--data.num_workers={workers}")
        assert _losses(again) == _losses(first)
        assert all(torch.equal(a, b) for a, b in zip(_weights(again).values(), _weights(first).values(), strict=True))
    assert _losses(fit("other", *options, "--seed_everything=1")) != _losses(first)


@pytest.mark.long
def test_killed_run_continues_as_if_nothing_had_happened(fit: Fit, videos: Path) -> None:
    epochs = ["--trainer.max_epochs=8", "--model.dropout=0.3", "--model.mixing.mixup=0.2"]
    whole = fit("whole", *epochs)
    command = [
        "fit",
        "--config",
        "demo",
        "--data.root",
        str(videos),
        "--run_dir",
        "cut",
        *SMALL,
        "--trainer.logger=false",
    ]
    command += ["--trainer.log_every_n_steps=1", *epochs]
    process = subprocess.Popen([sys.executable, "-m", "gcvideo", *command], stdout=subprocess.DEVNULL)
    while process.poll() is None and len(_losses(Path("cut"))) < 13:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = int(torch.load("cut/last.ckpt", weights_only=True)["global_step"])
    assert 0 < reached < 24
    assert run([*command, "--ckpt_path", "last"]) == 0
    assert _losses(Path("cut")) == _losses(whole)
    for name, value in _weights(Path("cut")).items():
        assert torch.equal(value, _weights(whole)[name]), name


def test_best_is_by_accuracy_and_then_by_loss(fit: Fit) -> None:
    folder = fit("here", "--trainer.max_epochs=6")
    rows = [row for row in read_metrics(folder) if "val/top1" in row]
    assert len(rows) == 6
    best = max(rows, key=lambda row: (row["val/top1"], -row["val/loss"]))
    assert torch.load(folder / "best.ckpt", weights_only=True)["global_step"] == best["step"] + 1
    assert json.loads((folder / "metrics.json").read_text())["val"]["top1"] == best["val/top1"]


def test_choice_of_the_best_begins_anew_late_in_the_run(fit: Fit) -> None:
    """With a rate of zero all later epochs are ties, so a best that was kept from before would stay."""
    still = ["--model.schedule.kind=step", "--model.schedule.milestones=[0,0,0,0,0,0,0,0]", "--model.schedule.warmup=0"]
    options = ["--trainer.max_epochs=4", "--trainer.precision=32", "--model.dropout=0", *still]
    chosen = {}
    for name, more in {"all": [], "late": ["--best_after=0.5"]}.items():
        folder = fit(name, *options, *more)
        rows = [row for row in read_metrics(folder) if "val/top1" in row]
        chosen[name] = torch.load(folder / "best.ckpt", weights_only=True)["epoch"]
        late = rows[2:] if more else rows
        best = max(late, key=lambda row: (row["val/top1"], -row["val/loss"]))
        assert chosen[name] == rows.index(best)
    assert chosen["late"] >= 2


def test_best_is_of_the_last_part_of_a_run_whose_last_epoch_its_interval_leaves_out(fit: Fit) -> None:
    """The folder config measures every fifth epoch; six epochs of three steps, of which the last twentieth is 18."""
    folder = fit("here", "--trainer.max_epochs=6", config="folder")
    assert [row["step"] for row in read_metrics(folder) if "val/top1" in row] == [14, 17]
    assert torch.load(folder / "best.ckpt", weights_only=True)["global_step"] == 18


def test_continued_run_knows_that_the_choice_began_anew(fit: Fit) -> None:
    whole = fit("whole", "--trainer.max_epochs=4", "--best_after=0.5")
    stopped = fit("cut", "--trainer.max_epochs=4", "--best_after=0.5", "--trainer.max_steps=9")
    assert (stopped / "last.ckpt").is_file()
    fit("cut", "--trainer.max_epochs=4", "--best_after=0.5", "--ckpt_path=last")
    epochs = {f.name: torch.load(f / "best.ckpt", weights_only=True)["epoch"] for f in (whole, stopped)}
    assert epochs["whole"] == epochs["cut"] >= 2


def test_folder_config_reads_val_once_at_the_end(fit: Fit) -> None:
    folder = fit("here", config="folder")
    rows = read_metrics(folder)
    assert [row["step"] for row in rows if "test/top1" in row] == [6]
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["test"]["videos"] == 6
    assert numbers["test"]["views"].startswith("3 x 1 views")


def test_validation_every_few_epochs_is_shown_where_it_was_and_done_at_the_end(
    fit: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fit("here", "--trainer.max_epochs=3", "--trainer.check_val_every_n_epoch=2")
    lines = [line for line in capsys.readouterr().out.splitlines() if "epoch" in line and "/3" in line]
    assert ["val loss" in line for line in lines] == [False, True, True]
    assert [row["step"] for row in read_metrics(folder) if "val/top1" in row] == [5, 8]
    shorter = fit("shorter", "--trainer.max_epochs=1", "--trainer.check_val_every_n_epoch=2")
    assert (shorter / "best.ckpt").is_file()


def test_run_that_its_steps_end_is_validated_and_saved_there(fit: Fit) -> None:
    folder = fit("here", "--trainer.max_steps=6", "--trainer.check_val_every_n_epoch=2")
    validated = [row["step"] for row in read_metrics(folder) if "val/top1" in row]
    assert validated == [5], "the last of six steps, in the middle of the second epoch"
    for kept in ("best.ckpt", "last.ckpt"):
        assert torch.load(folder / kept, weights_only=True)["global_step"] == 6


def test_offline_wandb_run_has_keys_steps_config_and_artifact(fit: Fit) -> None:
    folder = fit("here", wandb=True)
    records = [json.loads(line) for line in _leet(folder).splitlines()]
    rows = [record["history"]["item"] for record in records if record["type"] == "history"]
    logged = {
        key: [row[key] for row in rows if key in row] for key in ("train/loss", "val/top1", "trainer/global_step")
    }
    assert logged["train/loss"] == [loss for _, loss in _losses(folder)]
    assert len(logged["val/top1"]) == 2
    assert sorted(set(logged["trainer/global_step"]))[:6] == [0, 1, 2, 3, 4, 5]
    state = json.loads(_leet(folder, "--summary"))
    assert state["config"]["trainer"]["max_epochs"] == 2
    assert state["exit_code"] == 0
    run_id = torch.load(folder / "last.ckpt", weights_only=True)["callbacks"]["RunTracker"]["wandb_run_id"]
    assert list((folder / "wandb").glob(f"offline-run-*-{run_id}"))
    staged = [path for path in (folder / "wandb" / "data").rglob("*") if path.is_file()]
    assert any(path.stat().st_size == (folder / "best.ckpt").stat().st_size for path in staged)


def test_single_frame_clips_are_trained_on(fit: Fit) -> None:
    assert len(_losses(fit("here", "--data.num_frames=1"))) == 6


def test_block_is_taken_out_from_the_command_line(fit: Fit) -> None:
    names = _weights(fit("without", "--model.context.gc=null"))
    assert not any(".gc." in name for name in names)
    assert any("after_relu.gc." in name for name in _weights(fit("moved", "--model.context.gc.position=after_relu")))


def test_class_without_a_readable_video_is_masked_and_counted(
    fit: Fit, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit("index_first", "--trainer.max_epochs=1")
    (classes,) = (Path(os.environ["GCVIDEO_CACHE"]) / "manifests").glob("videos-*.classes.txt")
    manifest = classes.with_name(classes.name.removesuffix(".classes.txt") + ".csv")
    for path in (videos / "train" / "run").glob("*.mp4"):
        path.unlink()
    options = ["--data.root=null", f"--data.manifest={manifest}", "--trainer.max_epochs=1"]
    options += ["--data.reading.max_failed=0.5"]
    folder = fit("here", *options)
    (row,) = [row for row in read_metrics(folder) if "data/failed" in row]
    assert row["data/failed"] == 6
    assert json.loads((folder / "metrics.json").read_text())["val"]["failed"] == 1
    assert "could not be read" in capsys.readouterr().out


def test_flat_folder_gives_figures_of_what_was_held_out(
    make_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    root = make_folder({"jump": 8, "run": 8}, name="flat")
    options = ["--run_dir", "here", *SMALL, "--trainer.max_epochs=1", "--trainer.logger=false"]
    assert run(["fit", "--config", "folder", "--data.root", str(root), *options]) == 0
    assert "no videos were kept for the end: the figures are of those held out of train" in caplog.text
    assert "gcvideo validate --ckpt_path here/best.ckpt" in capsys.readouterr().out
    assert json.loads(Path("here/metrics.json").read_text())["val"]["videos"] == 2


def test_continued_run_remembers_its_best_wherever_the_folder_is_named_from(fit: Fit, tmp_path: Path) -> None:
    folder = fit("here", "--trainer.max_epochs=3")
    best = torch.load(folder / "best.ckpt", weights_only=True)["global_step"]
    top1 = {row["step"] + 1: row["val/top1"] for row in read_metrics(folder) if "val/top1" in row}
    folder.rename(tmp_path / "moved")
    # A rate of zero from here on: no later epoch can be better, so a new best would be a forgotten one.
    options = ["--trainer.max_epochs=4", "--model.schedule.kind=step", "--model.schedule.milestones=[0,0,0,0,0,0,0]"]
    arguments = ["fit", "--config", "moved/config.yaml", "--run_dir", str(tmp_path / "moved"), "--ckpt_path", "last"]
    assert run([*arguments, *options, "--trainer.logger=false"]) == 0
    rows = {row["step"] + 1: row for row in read_metrics(tmp_path / "moved") if "val/top1" in row}
    expected = max(rows, key=lambda step: (rows[step]["val/top1"], -rows[step]["val/loss"]))
    assert torch.load(tmp_path / "moved" / "best.ckpt", weights_only=True)["global_step"] == expected
    assert max(top1.values()) <= rows[expected]["val/top1"]
    assert best <= expected


def test_fit_starts_from_the_weights_of_another_run(
    fit: Fit, make_folder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    source = fit("source", "--trainer.max_epochs=1") / "best.ckpt"
    other = make_folder({"train/a": 6, "train/b": 6, "train/c": 6}, name="other")
    folder = fit("tuned", "--data.root", str(other), f"--model.pretrained={source}", "--model.optimizer.lr=1e-12")
    name = "network.blocks.1.res_blocks.0.branch2.conv_b.weight"
    assert torch.equal(_weights(folder)[name], torch.load(source, weights_only=True)["state_dict"][name])
    assert "the classifier of 3 classes is new (the weights had 2 classes)" in caplog.text


def test_continued_run_keeps_its_wandb_run(fit: Fit) -> None:
    folder = fit("here", "--trainer.max_epochs=1", wandb=True)
    first = torch.load(folder / "last.ckpt", weights_only=True)["callbacks"]["RunTracker"]["wandb_run_id"]
    assert first
    fit("here", "--trainer.max_epochs=2", "--ckpt_path=last", wandb=True)
    assert torch.load(folder / "last.ckpt", weights_only=True)["callbacks"]["RunTracker"]["wandb_run_id"] == first


def test_measuring_a_checkpoint_adds_a_row_at_its_step(fit: Fit) -> None:
    folder = fit("here")
    before = read_metrics(folder)
    step = torch.load(folder / "best.ckpt", weights_only=True)["global_step"]
    options = [
        "--config",
        str(folder / "config.yaml"),
        "--ckpt_path",
        str(folder / "best.ckpt"),
        "--trainer.logger=false",
    ]
    for command in ("validate", "test"):
        assert run([command, *options]) == 0
    after = read_metrics(folder)
    assert after[: len(before)] == before
    assert [row["step"] for row in after[len(before) :]] == [step, step]


def test_other_classes_than_the_checkpoints_are_refused(
    fit: Fit, make_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fit("here", "--trainer.max_epochs=1")
    other = make_folder({"test/jump": 1, "test/swim": 1}, name="other")
    options = [
        "--config",
        str(folder / "config.yaml"),
        "--ckpt_path",
        str(folder / "best.ckpt"),
        "--trainer.logger=false",
    ]
    assert run(["test", *options, "--data.root", str(other)]) == 1
    assert "label 1 is 'run' there and 'swim' here" in capsys.readouterr().err


def test_two_processes_share_one_run_folder(fit: Fit, videos: Path, tmp_path: Path) -> None:
    """Real processes, gloo: one folder, one record, every validation video scored once."""
    command = ["fit", "--config", "demo", "--data.root", str(videos), *SMALL, "--trainer.devices=2"]
    command += [
        "--trainer.strategy=ddp",
        "--trainer.max_epochs=1",
        "--trainer.log_every_n_steps=1",
        "--data.batch_size=2",
    ]
    command += ["--trainer.logger=false"]
    subprocess.run([sys.executable, "-m", "gcvideo", *command], cwd=tmp_path, check=True, timeout=120)
    (folder,) = (tmp_path / "runs").iterdir()
    assert [step for step, _ in _losses(folder)] == [0, 1, 2]
    assert json.loads((folder / "metrics.json").read_text())["val"]["videos"] == 2
    assert (folder / "best.ckpt").is_file()


def test_continued_run_needs_no_pretrained_weights(fit: Fit, tmp_path: Path) -> None:
    folder = fit("first", "--trainer.max_epochs=1")
    weights = (tmp_path / "weights.ckpt").resolve()
    weights.write_bytes((folder / "best.ckpt").read_bytes())
    pretrained = f"--model.pretrained={weights}"
    fit("tuned", pretrained, "--trainer.max_epochs=1")
    weights.unlink()
    fit("tuned", pretrained, "--ckpt_path=last")
    fit("anew", pretrained, code=2)


def test_manifest_may_stand_beside_its_own_class_list_and_no_other(
    fit: Fit, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Configs of a data set name its classes."""
    assert run(["index", str(videos), "--out", str(tmp_path / "m.csv")]) == 0
    (tmp_path / "same.txt").write_text("jump\nrun\n")
    (tmp_path / "other.txt").write_text("run\njump\n")
    given = ["--data.root=null", "--data.manifest=m.csv", "--trainer.max_epochs=1"]
    fit("same", *given, "--data.classes=same.txt")
    fit("other", *given, "--data.classes=other.txt", code=1)
    assert (
        "the classes of m.csv are not those of data.classes (other.txt), in the same order" in capsys.readouterr().err
    )
