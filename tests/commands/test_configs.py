from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from gcvideo.cli import run
from gcvideo.commands._configs import CONFIGS, config_names, find_config, with_found_configs
from gcvideo.commands._networks import read_model
from gcvideo.commands.running.command_line import run_cli
from gcvideo.commands.running.options import import_all_parts
from gcvideo.data.labels import find_classes
from gcvideo.errors import InputError
from gcvideo.models.counting import count
from gcvideo.tracking.metrics_log import read_metrics

every_config = pytest.mark.parametrize("name", config_names())
every_config_in_time = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.sampled if "/" in name else ()) for name in config_names()]
)


@every_config_in_time
def test_config_runs_two_steps_through_the_real_command(name: str, videos: Path, tmp_path: Path) -> None:
    """Reduced in size only: width 8, crop 64, two videos a batch."""
    small = ["--model.backbone.width=8", "--data.crop_px=64", "--data.batch_size=2", "--data.num_workers=0"]
    device = ["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.logger=false"]
    steps = ["--trainer.max_steps=2", "--trainer.limit_val_batches=1", "--trainer.log_every_n_steps=1"]
    where = ["--data.root", str(videos), "--run_dir", str(tmp_path / "run"), "--final_test=false"]
    where += ["--data.classes=null", "--data.short_side_px=64", "--data.test_crop_px=64", "--model.pretrained=null"]
    jittered = "short_side_px: [256, 320]" in find_config(name).read_text(encoding="utf-8")
    where += ["--model.head=global", *(["--data.augmentation.short_side_px=[64, 72]"] if jittered else [])]
    assert run(["fit", "--config", name, *small, *device, *steps, *where]) == 0
    losses = [row["train/loss"] for row in read_metrics(tmp_path / "run") if "train/loss" in row]
    assert len(losses) == 2
    assert all(0 < loss < 20 for loss in losses)


def _build(name_or_file: str, folder: Path) -> None:
    """Builds data, network and trainer as ``gcvideo fit`` does: at full size, where nothing is allocated."""
    config = yaml.safe_load(find_config(name_or_file).read_text(encoding="utf-8"))
    classes = find_classes(config["data"]["init_args"].get("classes") or "ucf101")
    for name in classes[:2]:  # of the list that the config names; no video is opened
        (folder / "listed" / name).mkdir(parents=True)
        (folder / "listed" / name / "1.mp4").touch()
    options = ["--data.root", str(folder / "listed"), "--run_dir", str(folder / "run"), "--model.pretrained=null"]
    options += ["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.logger=false"]
    import_all_parts()
    arguments, files = with_found_configs(["--config", name_or_file, *options])
    with torch.device("meta"):
        run_cli("fit", arguments, files, only_build=True)


@every_config
def test_config_is_one_that_fit_takes(name: str, tmp_path: Path) -> None:
    _build(name, tmp_path)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("max_epochs:", "max_epoch:"),
        ("class_path: VideoFolder", "class_path: VideoFolde"),
        ("crop_px:", "crop:"),
        ("width:", "widht:"),
        ("precision: bf16-mixed", "precision: bf61-mixed"),
        ("kind: cosine", "kind: cosin"),
        ("final_test:", "final_tset:"),
    ],
)
def test_typo_in_a_shipped_config_would_be_found(right: str, wrong: str, tmp_path: Path) -> None:
    text = find_config("folder").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text)
    _build(str(tmp_path / "mine.yaml"), tmp_path / "right")
    assert right in text
    (tmp_path / "mine.yaml").write_text(text.replace(right, wrong))
    with pytest.raises(InputError):
        _build(str(tmp_path / "mine.yaml"), tmp_path / "wrong")


@every_config
def test_config_builds_at_full_size_where_nothing_is_allocated(name: str) -> None:
    model = read_model(name)
    assert all(parameter.is_meta for parameter in model.network.parameters())
    counted = count(model.network, model.clip)
    assert counted.params == sum(parameter.numel() for parameter in model.network.parameters())
    said = re.search(r"# Costs ([\d.]+) M parameters, ([\d.]+) G MACs", find_config(name).read_text(encoding="utf-8"))
    assert said or name in ("demo", "folder")
    if said and name.startswith("kinetics400/"):
        assert (said[1], said[2]) == (f"{counted.params / 1e6:.2f}", f"{counted.macs / 1e9:.2f}")


@every_config
def test_config_says_what_it_is_and_is_complete(name: str) -> None:
    text = find_config(name).read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line.startswith("# ")]) >= 2, "a head comment"
    config = yaml.safe_load(text)
    assert {"seed_everything", "trainer", "model", "data"} <= set(config)
    for part in (config["model"]["backbone"], config["model"]["optimizer"], config["data"]):
        assert set(part) == {"class_path", "init_args"}


@every_config_in_time
def test_print_config_gives_a_config_that_runs_the_same(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(["fit", "--config", name, "--print_config"])
    assert stop.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    given = yaml.safe_load(find_config(name).read_text())
    assert printed["trainer"]["max_epochs"] == given["trainer"]["max_epochs"]
    assert printed["data"]["init_args"]["num_frames"] == given["data"]["init_args"]["num_frames"]


def test_shipped_folder_and_top_level_folder_are_one() -> None:
    assert (Path(__file__).parents[2] / "configs").resolve() == CONFIGS.resolve()


def test_config_is_found_by_name_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config("demo") == CONFIGS / "demo.yaml"
    (tmp_path / "demo.yaml").write_text("name: mine\n")
    assert find_config("demo.yaml") == Path("demo.yaml")
    with pytest.raises(InputError, match=r"config 'kinetics': no such file, and not a shipped config; .*demo, folder"):
        find_config("kinetics")


def test_later_config_wins_and_the_shell_over_both(
    fit: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more.yaml").write_text("trainer: {max_epochs: 7}\nmodel: {dropout: 0.25}\n")
    with pytest.raises(SystemExit):
        run(["fit", "--config=demo", "-c", str(tmp_path / "more.yaml"), "--model.dropout=0.5", "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    assert (printed["trainer"]["max_epochs"], printed["model"]["dropout"]) == (7, 0.5)
