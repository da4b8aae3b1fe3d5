"""Each mistake: one line that names the thing and the cure, and the right exit code. No traceback, no usage."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gcvideo.cli import run
from gcvideo.data.indexing.index import cached_manifest_path
from tests.commands.conftest import SMALL

on_a_processor = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.fixture
def refused(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs a command that must fail; gives its one line."""
    monkeypatch.chdir(tmp_path)

    def go(*arguments: str, code: int) -> str:
        assert run([*arguments]) == code
        lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("indexing videos: ")]
        assert len(lines) == 1, lines
        assert lines[0].startswith("gcvideo: error: ")
        assert not list(tmp_path.glob("runs/*")), "a refused run leaves no folder"
        return lines[0]

    return go


def _fit(root: Path | str, *options: str) -> list[str]:
    return ["fit", "--config", "demo", "--data.root", str(root), *SMALL, "--trainer.logger=false", *options]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"no such folder .*--data.root"),
        ([], r"no class folder in it; expected .*/CLASS/\*.mp4"),
        (["jump/", "run/"], "the class folders are empty; put the videos of each class into its folder"),
        (["jump/1.jpg", "run/2.jpg"], r"no video in the class folders, but 2 .jpg files.*ffmpeg"),
        (["jump/a.mp4", "run/b.mp4"], "none of the 2 videos can be decoded; the first: .*a.mp4"),
    ],
)
def test_bad_data_folder(refused: Callable[..., str], tmp_path: Path, content: list[str] | None, message: str) -> None:
    root = tmp_path / "data"
    for name in content or []:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).mkdir() if name.endswith("/") else (root / name).write_bytes(b"not a video")
    if content == []:
        root.mkdir()
    line = refused(*_fit(root), code=1)
    assert str(root) in line
    assert re.search(message, line), line


def test_class_folder_without_a_video(refused: Callable[..., str], videos: Path) -> None:
    (videos / "train" / "swim").mkdir()
    assert "train/swim: this class folder has no video; fill it or delete it" in refused(*_fit(videos), code=1)


def test_no_data_named(refused: Callable[..., str]) -> None:
    assert "give the folder with --data.root=FOLDER" in refused("fit", "--config", "demo", code=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data.rot=x"], "VideoFolder has no option 'rot'; did you mean 'root'"),
        (["--model.backbone.widht=8"], "SlowOnly has no option 'widht'; did you mean 'width'"),
        (["--trainer.max_epoch=3"], "unknown option --trainer.max_epoch; did you mean '--trainer.max_epochs'"),
        (["--trainer.max_epochs=abc"], "trainer.max_epochs is abc; expected int or null"),
        (["--model.backbone=SlowOny"], "model.backbone.*SlowOny"),
        (["--model.context.gc.position=after_5x5"], "position.*after_5x5"),
        (["--seed_everything=true"], "--seed_everything is True; expected a number from 0 to 4294967295"),
        (["--seed_everything=-1"], "--seed_everything is -1; expected a number"),
        (["--best_after=1"], "--best_after is 1.0; expected a share of the epochs, 0 to below 1"),
        (["--data.seed=3"], "the data have no seed of their own: name it with --seed_everything"),
        (["--data.root"], "--data.root has no value; write --data.root=VALUE"),
        (["--data.root", "--trainer.max_epochs=1"], "--data.root has no value; write --data.root=VALUE"),
        (["--config"], "--config has no value; write --config=VALUE"),
        (["--run_dir="], "--run_dir is empty .a shell variable that is not set.*; name the folder"),
        (["--config", "dem"], "config 'dem': no such file, and not a shipped config; did you mean demo"),
    ],
)
def test_wrong_call(refused: Callable[..., str], videos: Path, options: list[str], message: str) -> None:
    line = refused(*_fit(videos), *options, code=2)
    assert re.search(message, line), line


@pytest.mark.parametrize("mode", ["off", "OFFLINE"])
def test_mode_that_wandb_does_not_know_is_refused_before_the_videos_are_indexed(
    refused: Callable[..., str], make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    root = make_folder({"train/jump": 1, "train/run": 1}, name="never_indexed")
    monkeypatch.setenv("WANDB_MODE", mode)
    line = refused("fit", "--config", "demo", "--data.root", str(root), *SMALL, code=2)
    assert f"WANDB_MODE is '{mode}'; expected 'online', 'offline', 'shared', 'disabled'" in line
    assert not cached_manifest_path(root).exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model:\n  droput: 0.3\n", "model.droput.*did you mean 'model.dropout'"),
        ("trainer:\n  max_epoch: 3\n", "trainer.max_epoch.*did you mean 'trainer.max_epochs'"),
        ("data:\n  class_path: VideoFolder\n  init_args: {rot: x}\n", "no option 'rot'; did you mean 'root'"),
        ("modle: {}\n", "modle.*did you mean 'model'"),
        ("model: [\n", "mine.yaml"),
    ],
)
def test_wrong_key_in_a_yaml(
    refused: Callable[..., str], videos: Path, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    line = refused(*_fit(videos), "--config", str(tmp_path / "mine.yaml"), code=2)
    assert re.search(message, line), line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model.backbone.depth=34"], "depth is 34; expected one of 50, 101, 152"),
        (["--model.context.gc.block.ratio=16"], "ratio is 16.* expected a share between 0 and 1"),
        (
            ["--model.context.gc.stages={res9: all}"],
            "context.gc: unknown stage 'res9'; there are res2, res3, res4, res5",
        ),
        (
            ["--data.batch_size=99"],
            "14 training videos \\(2 more are held out.*\\) do not fill one batch of 99.*to at most 14",
        ),
        (["--data.crop_px=16"], "data.crop_px is 16; expected at least 32"),
        (["--data.root="], "no videos named: give the folder with --data.root=FOLDER"),
        (["--data.holdout=2"], "data.holdout is 2.0; expected a share"),
        (["--data.group=("], "data.group is '\\(', not a regular expression"),
        (["--data.short_side_px=8"], "data.crop_px 32 is larger than data.short_side_px 8; lower it"),
        pytest.param(["--trainer.accelerator=gpu"], "accelerator=gpu: there is no GPU", marks=on_a_processor),
    ],
)
def test_impossible_value(refused: Callable[..., str], videos: Path, options: list[str], message: str) -> None:
    line = refused(*_fit(videos), *options, code=1)
    assert re.search(message, line), line


def test_folder_without_anything_to_choose_the_best_on(
    refused: Callable[..., str], make_folder: Callable[..., Path]
) -> None:
    root = make_folder({"jump": 8, "run": 8}, name="flat")
    line = refused(*_fit(root), "--data.holdout=0", code=1)
    assert "add a val/ folder beside train/, or hold a fifth of train out with --data.holdout=0.2" in line


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file; a run leaves last.ckpt and best.ckpt"),
        (lambda path: path.write_bytes(b""), "is empty; name another one"),
        (lambda path: path.write_bytes(b"PK\x03\x04 cut short"), "is damaged: its end is missing.*name another one"),
        (lambda path: torch.save({"weights": torch.zeros(1)}, path), "not one of a gcvideo run"),
        (lambda path: torch.save([1, 2], path), "not one of a gcvideo run"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "validate", "test"])
def test_unreadable_checkpoint(
    refused: Callable[..., str], videos: Path, tmp_path: Path, command: str, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / "x.ckpt")
    line = refused(command, *_fit(videos)[1:], "--ckpt_path", str(tmp_path / "x.ckpt"), code=1)
    assert f"checkpoint {tmp_path}/x.ckpt" in line
    assert re.search(message, line), line


def test_checkpoint_that_runs_code_is_refused_and_does_not(
    refused: Callable[..., str], videos: Path, tmp_path: Path
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "harm",))

    torch.save({"state_dict": Evil(), "global_step": 1}, tmp_path / "x.ckpt")
    line = refused("test", *_fit(videos)[1:], "--ckpt_path", str(tmp_path / "x.ckpt"), code=1)
    assert "holds more than weights and plain values, which is not loaded as it could run code" in line
    assert not (tmp_path / "harm").exists()


def test_checkpoint_of_another_network(
    fit: Callable[..., Path], capsys: pytest.CaptureFixture[str], videos: Path
) -> None:
    folder = fit("here", "--trainer.max_epochs=1")
    capsys.readouterr()
    options = ["--ckpt_path", str(folder / "best.ckpt"), "--model.backbone.width=16"]
    assert run(["test", *_fit(videos)[1:], *options]) == 1
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert "does not fit this network" in error[0]


def test_checkpoint_of_other_classes_is_told_by_their_names(
    fit: Callable[..., Path], make_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fit("here", "--trainer.max_epochs=1")
    root = make_folder({"val/jump": 2, "val/run": 2, "val/swim": 2}, name="three")
    options = ["--config", str(folder / "config.yaml"), "--data.root", str(root), "--trainer.logger=false"]
    capsys.readouterr()
    assert run(["validate", *options, "--data.holdout=0", "--ckpt_path", str(folder / "best.ckpt")]) == 1
    assert "label 2 is 'none' there and 'swim' here" in capsys.readouterr().err.splitlines()[-1]


def test_single_class(refused: Callable[..., str], make_folder: Callable[..., Path]) -> None:
    line = refused(*_fit(make_folder({"train/jump": 8}, name="one")), code=1)
    assert "only one class, 'jump': there is nothing to tell apart" in line


def test_training_that_diverged_gives_no_accuracy(fit: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    fit("here", "--model.optimizer.init_args.lr=1e30", "--trainer.max_epochs=3", code=1)
    out, err = capsys.readouterr()
    assert "its weights have diverged; train with a lower --model.optimizer.init_args.lr" in err
    assert "video level" not in out


def test_class_that_cannot_be_learned_is_named(
    fit: Callable[..., Path], make_folder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    root = make_folder({"train/jump": 8, "train/run": 8, "train/walk": 1, "val/run": 2, "val/swim": 2}, name="uneven")
    (root / "classes.txt").write_text("jump\nrun\nswim\nwalk\n")
    fit("here", "--data.root", str(root), "--trainer.max_epochs=1", f"--data.classes={root / 'classes.txt'}")
    assert "no video to train on, so it will not be learned: class swim" in caplog.text
    assert "no video to choose the best checkpoint by: class walk" in caplog.text


def test_no_validation_at_all_is_said(fit: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    fit("here", "--trainer.max_epochs=1", "--trainer.limit_val_batches=0")
    assert "no validation was run, so there is no best checkpoint and no final figure" in caplog.text


def test_record_of_a_run_without_checkpoint_is_kept(refused: Callable[..., str], videos: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "metrics.jsonl").write_text('{"step": 0}\n{"step": 1}\n')
    line = refused(*_fit(videos), "--run_dir", "here", code=1)
    assert "holds the record of a run that left no checkpoint: delete it, or name another --run_dir" in line


@pytest.mark.parametrize("out", [".", "script.py"])
def test_index_writes_over_manifests_only(refused: Callable[..., str], videos: Path, tmp_path: Path, out: str) -> None:
    (tmp_path / "script.py").write_text("print(1)\n")
    assert "name" in refused("index", str(videos), "--out", out, code=2)
    assert (tmp_path / "script.py").read_text() == "print(1)\n"


def test_no_checkpoint_named(refused: Callable[..., str], videos: Path) -> None:
    assert "give one with --ckpt_path=FILE" in refused("test", *_fit(videos)[1:], code=2)
    assert "--ckpt_path last needs the run folder: add --run_dir=DIR" in refused(
        *_fit(videos), "--ckpt_path", "last", code=2
    )


def test_run_folder_below_a_file(refused: Callable[..., str], videos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = refused(*_fit(videos), "--run_dir", str(tmp_path / "file" / "run"), code=1)
    assert f"{tmp_path}/file is a file, not a folder; name another one with --run_dir=DIR" in line


def test_run_folder_that_holds_a_run(fit: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    fit("here", "--trainer.max_epochs=1")
    capsys.readouterr()
    fit("here", "--trainer.max_epochs=1", code=1)
    assert (
        "holds a run already: continue it with --ckpt_path last, or name another --run_dir" in capsys.readouterr().err
    )


def test_yaml_that_runs_code_is_refused_and_does_not(refused: Callable[..., str], videos: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text(f"name: !!python/object/apply:os.system ['touch {tmp_path}/harm']\n")
    refused(*_fit(videos), "--config", str(tmp_path / "evil.yaml"), code=2)
    assert not (tmp_path / "harm").exists()
