"""Class balance and class weights through the real command."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gcvideo.tracking.metrics_log import read_metrics

Fit = Callable[..., Path]

PLAIN = ["--trainer.precision=32", "--model.dropout=0", "--trainer.max_epochs=1"]


@pytest.fixture
def uneven(make_folder: Callable[..., Path]) -> Path:
    """Twelve videos of one class to train on, and three of the other."""
    return make_folder({"train/jump": 12, "train/run": 3, "val/jump": 2, "val/run": 2}, name="uneven")


def _losses(folder: Path) -> list[float]:
    return [row["train/loss"] for row in read_metrics(folder) if "train/loss" in row]


def test_weight_of_a_class_multiplies_its_share_of_the_loss(fit: Fit) -> None:
    """In one step with all 14 videos; of two equal classes the weights 1 and 0 become 2 and 0."""
    runs = {
        name: fit(name, *PLAIN, "--data.batch_size=14", f"--model.class_weights={weights}")
        for name, weights in {"none": "null", "one": "[1, 0]", "other": "[0, 1]"}.items()
    }
    loss = {name: sum(_losses(folder)) for name, folder in runs.items()}
    assert loss["one"] + loss["other"] == pytest.approx(2 * loss["none"], rel=1e-5)
    assert min(loss["one"], loss["other"]) > 0.1
    states = {name: torch.load(run / "last.ckpt", weights_only=True)["state_dict"] for name, run in runs.items()}
    assert states["one"].keys() == states["none"].keys(), "the weights of the classes are no part of the network"
    name = "network.blocks.5.proj.bias"
    assert states["one"][name][0] > states["one"][name][1], "only the first class is learned"
    assert states["other"][name][0] < states["other"][name][1]


def test_inverse_weights_of_equal_classes_change_nothing(fit: Fit) -> None:
    options = [*PLAIN, "--model.mixing.mixup=0.2"]
    weighed = _losses(fit("weighed", *options, "--model.class_weights=inverse"))
    assert weighed == _losses(fit("plain", *options))
    assert len(weighed) == 3


def test_balanced_run_says_what_it_draws_and_warns_once_of_a_double_correction(
    fit: Fit, uneven: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="gcvideo")
    options = [*PLAIN, "--data.root", str(uneven), "--data.holdout=0", "--data.balance=1"]
    fit("balanced", *options)
    assert caplog.text.count("classes have 3 to 12 videos; with --data.balance=1 each gives 7 or 8 an epoch") == 1
    assert "both make up" not in caplog.text
    fit("twice", *options, "--model.class_weights=inverse")
    assert caplog.text.count("--data.balance=1 and --model.class_weights=inverse both make up") == 1


def test_balanced_run_that_is_cut_continues_as_if_nothing_had_happened(fit: Fit, uneven: Path) -> None:
    options = ["--data.root", str(uneven), "--data.holdout=0", "--data.balance=0.5", "--model.class_weights=inverse"]
    options += ["--trainer.max_epochs=4", "--model.schedule.kind=constant", "--model.schedule.warmup=0"]
    whole = fit("whole", *options)
    fit("cut", *options, "--trainer.max_steps=6")
    assert _losses(fit("cut", *options, "--ckpt_path=last")) == _losses(whole)
    assert len(_losses(whole)) == 12


@pytest.mark.parametrize(
    ("option", "message", "code"),
    [
        ("--model.class_weights=[1,2,3]", "class_weights has 3 weights for 2 classes; expected none, inverse", 1),
        ("--model.class_weights=[1,-2]", "class_weights has -2 for class 1 of 2", 1),
        ("--model.class_weights=[0,0]", "class_weights is 0 for all 2 classes", 1),
        ("--model.class_weights=invers", "invers", 2),
        ("--data.balance=2", "data.balance is 2.0; expected 0", 1),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    fit: Fit, capsys: pytest.CaptureFixture[str], option: str, message: str, code: int
) -> None:
    fit("here", option, code=code)
    (line,) = (line for line in capsys.readouterr().err.splitlines() if not line.startswith("indexing videos: "))
    assert line.startswith("gcvideo: error: ")
    assert message in line
