from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Trainer
from PIL import Image

from gcvideo.cli import run
from gcvideo.commands._configs import config_names, find_config
from gcvideo.commands.benchmarking.step import StepCost
from gcvideo.commands.planning import cost
from gcvideo.commands.planning.cost import Measured
from gcvideo.commands.planning.hours import planned_hours
from gcvideo.commands.planning.steps import Learning
from gcvideo.tracking.metrics_log import read_metrics
from gcvideo.training.run_length import RunLength
from tests.commands.conftest import SMALL

Plan = Callable[..., str]


@pytest.fixture
def plan(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs ``gcvideo fit --plan`` in a folder of its own; gives what it printed."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def go(*options: str, config: str = "demo", code: int = 0, steps: int = 3) -> str:
        monkeypatch.setattr(cost, "_STEPS", steps)
        assert run(["fit", "--config", config, "--data.root", str(videos), *SMALL, *options, "--plan"]) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    return go


def _cell(printed: str, name: str) -> str:
    """What stands beside a name."""
    (line,) = [line for line in printed.splitlines() if line.startswith(f"{name}  ")]
    return line.removeprefix(name).strip()


def test_plan_tells_all_of_a_run_and_leaves_a_picture_alone(plan: Plan, tmp_path: Path) -> None:
    printed = plan("--data.num_workers=1", "--trainer.max_epochs=12", steps=20)
    expected = {
        "backbone": "SlowOnly: depth 50, width 8, zero_init_last_bn True, norm batch",
        "block gc": "13 GlobalContext after_1x1: res3 x 4, res4 x 6, res5 x 3",
        "weights": "random, of the seed 0",
        "frozen": "nothing",
        "classes": "2",
        "in the splits": "train 16, val 6, test 0",
        "train on": "14 videos",
        "choose the best by": "2 videos, held out of train (10% of the groups)",
        "test on": "6 videos",
        "a video": "0.5 s (median)",
        "a clip": "4 frames x stride 2 at 32 px: 0.3 s (median)",
        "a step": "1 device x 4 videos = 4 clips a step",
        "an epoch": "3 steps, 3 batches on each device",
        "in all": "36 steps, 12 epochs",
        "learning rate": "0.00075 (0.003 is meant for 16 clips a step; here are 4)",
        "warm-up": "4 steps (1.3 epochs), from 7.5e-06 to 0.00075",
        "measured on": "1 processor: 20 steps",
    }
    first = {name: printed[: printed.index("cost\n")] if name != "measured on" else printed for name in expected}
    assert {name: _cell(first[name], name) for name in expected} == expected
    assert re.search(r"the whole run +[\d.]+ (s|min) on this processor", printed)
    assert re.search(r"memory +\d+\.\d\d GB more than before at the peak", printed)
    assert re.search(r"multiply-adds +0\.\d\d G a training clip of 4 x 32 x 32 \(1\)", printed)
    assert [path.name for path in Path.cwd().iterdir()] == ["plan.png"]
    with Image.open("plan.png") as picture:
        blue = np.abs(np.asarray(picture.convert("RGB")).astype(int) - [31, 119, 180]).sum(axis=-1) < 60
    assert blue.sum() > 100


def test_picture_goes_into_the_run_folder_that_is_named_and_the_run_may_follow(plan: Plan, videos: Path) -> None:
    plan("--run_dir=mine")
    assert [path.name for path in Path("mine").iterdir()] == ["plan.png"]
    arguments = ["--data.root", str(videos), *SMALL, "--trainer.logger=false", "--trainer.max_epochs=1"]
    assert run(["fit", "--config", "demo", *arguments, "--run_dir=mine"]) == 0
    assert "plan" not in Path("mine/config.yaml").read_text()


def test_rates_of_the_plan_are_those_of_the_run(plan: Plan, fit: Callable[..., Path]) -> None:
    options = ["--model.stage_rates.decay=0.5", "--trainer.accumulate_grad_batches=2", "--trainer.max_epochs=4"]
    rows = [row for row in read_metrics(fit("run", *options)) if "lr-AdamW/pg1" in row]
    peak = max(
        max(value for name, value in row.items() if name.startswith("lr-") and "-mom" not in name) for row in rows
    )
    printed = plan(*options)
    assert _cell(printed, "in all") == "8 steps, 4 epochs"
    groups = printed[printed.index("parameters in the groups") :].split("\n\n")[0].splitlines()[1:]
    assert len(groups) == 12, "six stages, with and without decay"
    assert max(float(line.split()[-1]) for line in groups) == pytest.approx(peak, rel=1e-3)
    assert printed.count("#") > 100, "a curve of characters"


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")
def test_devices_that_are_not_here_are_planned_for(plan: Plan) -> None:
    options = ["--trainer.accelerator=gpu", "--trainer.devices=2", "--trainer.num_nodes=2", "--data.batch_size=2"]
    printed = plan(*options, "--trainer.precision=16-mixed")
    assert _cell(printed, "a step") == "4 devices x 2 videos = 8 clips a step"
    assert "the config wants trainer.accelerator=gpu, and here is none" in printed
    assert "the config wants trainer.precision=16-mixed, which a processor has not: bf16-mixed" in printed
    assert " on 4 x processor, each as fast as the one measured (linear scaling is assumed)" in printed


@pytest.mark.parametrize(
    ("wanted", "norm", "read"),
    [
        (2, "batch", " with 2 training batches a device for the norms"),
        (200, "batch", " with 3 training"),
        (2, "frozen", ""),
    ],
)
def test_each_device_reads_a_batch_for_every_global_one_that_norms_want(
    plan: Plan, wanted: int, norm: str, read: str
) -> None:
    two = [
        "--trainer.devices=2",
        "--data.batch_size=2",
        f"--model.precise_bn={wanted}",
        f"--model.backbone.norm={norm}",
    ]
    validation = _cell(plan(*two), "a validation")
    assert read in validation
    assert (" for the norms" in validation) == bool(read)


def test_loader_that_is_too_slow_is_the_bottleneck(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any) -> float:
        return 10.0

    monkeypatch.setattr(cost, "_loader_seconds", slow)
    printed = plan()
    assert _cell(printed, "the loader alone") == "10.000 s a batch with 0 workers while nothing trains"
    assert re.match(r"the loader: \d+% of the time is waiting", _cell(printed, "bottleneck"))
    assert _cell(printed[printed.index("cost\n") :], "an epoch") == "30 s of training"


@pytest.mark.parametrize("norm", ["frozen", "batch"])
def test_rate_that_diverges_from_random_weights_can_be_measured(plan: Plan, norm: str) -> None:
    """The run may start from others, with which it does not."""
    options = ["--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=1e12", f"--model.backbone.norm={norm}"]
    assert _cell(plan(*options, steps=20), "measured on") == "1 processor: 20 steps"


@pytest.mark.parametrize(
    ("free_gb", "said"), [(1e-3, "not as much is free, nothing was measured"), (1.0, "1 processor: 3 steps")]
)
def test_step_that_does_not_fit_into_the_memory_is_not_tried(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, free_gb: float, said: str
) -> None:
    monkeypatch.setattr(cost, "free_bytes", lambda: int(free_gb * 1e9))
    assert said in plan()


def test_part_of_a_batch_is_measured_where_no_more_fits(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, videos in {3000: 8, 1500: 8, 750: 4, 100: 0}.items():
        monkeypatch.setattr(cost, "free_bytes", lambda free=free: free)
        assert cost._videos_that_fit(1000, 8) == videos
    monkeypatch.setattr(cost, "_videos_that_fit", lambda needed, wanted: wanted // 2)
    printed = plan()
    assert _cell(printed, "measured on") == "1 processor: 3 steps of 2 of the 4 videos (no more fit)"
    assert "4 videos = 4 clips a step" in printed


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.sampled if "/" in name else ()) for name in config_names()]
)
def test_every_shipped_config_can_be_planned(name: str, plan: Plan) -> None:
    """Reduced in size only, as in test_configs.py, and with the devices that each config names."""
    small = ["--data.crop_px=64", "--data.batch_size=2", "--data.classes=null", "--data.short_side_px=64"]
    small += ["--data.test_crop_px=64", "--model.head=global"]
    if "short_side_px: [256, 320]" in find_config(name).read_text(encoding="utf-8"):
        small.append("--data.augmentation.short_side_px=[64, 72]")
    printed = plan(*small, config=name)
    assert "measured on" in printed
    assert "the whole run" in printed


def _learning(epochs: int = 10) -> Learning:
    length = RunLength(8, 16, 1, 2, batches_per_epoch=100, steps_per_epoch=50, total_steps=50 * epochs)
    nothing: Any = SimpleNamespace()
    return Learning(length, nothing, nothing, val_batches=40)


@pytest.mark.parametrize(
    ("options", "validations", "seconds"),
    [
        ({}, 10, 10 * 100 * 2.0 + 10 * 40 * 0.5),
        ({"check_val_every_n_epoch": 3}, 4, 2000 + 4 * 20),
        ({"val_check_interval": 0.25}, 40, 2000 + 40 * 20),
        ({"limit_val_batches": 10}, 10, 2000 + 10 * 5),
        ({"limit_val_batches": 0.5}, 10, 2000 + 10 * 10),
        ({"limit_val_batches": 0}, 0, 2000),
    ],
)
def test_hours_are_batches_and_validations_of_one_device(
    options: dict[str, Any], validations: int, seconds: float
) -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=10, **options)
    step = StepCost("processor", 20, step_s=0.9, wait_s=0.1, memory_gb=1.0)
    half = Measured(1.0, 2, videos=8, share=0.5, step=step, loader_s=0.2, val_s=0.25)
    hours = planned_hours(_learning(), half, trainer)
    assert (hours.epoch, hours.num_validations) == (200, validations)
    assert hours.whole == pytest.approx(seconds)
    slow = Measured(1.0, 2, videos=8, share=0.5, step=step, loader_s=3.0, val_s=0.25)
    assert planned_hours(_learning(), slow, trainer).epoch == 600


def test_config_that_was_printed_can_be_tested_with_and_only_a_training_planned(
    fit: Callable[..., Path], capsys: pytest.CaptureFixture[str], videos: Path
) -> None:
    folder = fit("run", "--trainer.max_epochs=1")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        run(["fit", "--config", "demo", *SMALL, "--data.root", str(videos), "--trainer.logger=false", "--print_config"])
    Path("printed.yaml").write_text(capsys.readouterr().out)
    measure = ["validate", "--config", "printed.yaml", "--ckpt_path", str(folder / "best.ckpt")]
    assert run(measure) == 0
    assert run([*measure, "--plan"]) == 2
    assert "--plan tells what a training would be: gcvideo fit" in capsys.readouterr().err


def test_help_teaches_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["fit", "--help"])
    assert "gcvideo fit --config NAME --data.root MY_VIDEOS --plan" in capsys.readouterr().out
