from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer

from gcvideo.tracking.metrics_log import read_metrics
from gcvideo.training.finite_steps import FiniteSteps
from gcvideo.training.task import ActionRecognition

Fit = Callable[..., Path]


class Spoils(Callback):
    """Makes the loss of some steps infinite or no number, as a video might, and notes the state after each step."""

    def __init__(self, steps: set[int], value: float) -> None:
        self.steps, self.value = steps, value
        self.states: dict[int, dict[str, Any]] = {}

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The last layer's bias gives a loss of this value; the norms see features of this value as well."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self.step, self.before = trainer.global_step, _state(pl_module, trainer)
        network: Any = pl_module.network
        if trainer.global_step in self.steps:
            self.hook = network.blocks[0].register_forward_hook(lambda module, inputs, output: output * self.value)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """What the step changed."""
        if hasattr(self, "hook"):
            self.hook.remove()
            del self.hook
        if trainer.global_step > self.step:
            after = _state(pl_module, trainer)
            self.states[self.step] = {name: (self.before.get(name), after[name]) for name in after}


def _state(module: LightningModule, trainer: Trainer) -> dict[str, Any]:
    optimizer = trainer.optimizers[0].state_dict()["state"]
    values = {f"{n}.{k}": v.clone() for n, kept in optimizer.items() for k, v in kept.items() if torch.is_tensor(v)}
    return values | {name: value.clone() for name, value in module.state_dict().items()}


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[int], float], Spoils]:
    """Adds the callback to every run."""

    def add(steps: set[int], value: float) -> Spoils:
        spoils = Spoils(steps, value)
        configured = ActionRecognition.configure_callbacks
        monkeypatch.setattr(ActionRecognition, "configure_callbacks", lambda task: [*configured(task), spoils])
        return spoils

    return add


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("options", [[], ["--trainer.accumulate_grad_batches=2", "--data.batch_size=2"]])
def test_step_that_is_not_finite_changes_nothing_and_is_counted(
    fit: Fit, spoil: Callable[..., Spoils], value: float, options: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    spoils = spoil({2, 4}, value)
    folder = fit("here", *options)
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    assert all(bool(torch.isfinite(value).all()) for value in checkpoint["state_dict"].values())
    assert checkpoint["callbacks"][FiniteSteps.__qualname__] == {"skipped": 2, "in_a_row": 0}
    for step, changed in spoils.states.items():
        moved = [name for name, (before, after) in changed.items() if before is None or not torch.equal(before, after)]
        assert bool(moved) == (step not in spoils.steps), step
    said = [line for line in caplog.messages if "the gradient is not finite, and the step is left out" in line]
    assert [line.split(":")[0] for line in said] == ["step 2", "step 4"]
    assert all(".mp4" in line for line in said)


def test_too_many_in_a_row_stop_the_run_and_name_the_videos(
    fit: Fit, spoil: Callable[..., Spoils], capsys: pytest.CaptureFixture[str]
) -> None:
    spoil({3, 4, 5}, float("nan"))
    folder = fit("here", "--model.max_skipped=2", code=1)
    error = capsys.readouterr().err
    assert "step 4: the gradient is not finite; videos: " in error
    assert "2 such steps in a row (--model.max_skipped), so the run stops" in error
    assert error.count(".mp4") == 4
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 3
    assert all(bool(torch.isfinite(value).all()) for value in checkpoint["state_dict"].values())


def test_norm_of_the_gradient_is_logged_before_it_is_clipped(fit: Fit) -> None:
    norms = [
        row["train/grad_norm"]
        for row in read_metrics(fit("here", "--trainer.gradient_clip_val=1e-6"))[:-1]
        if "train/grad_norm" in row
    ]
    assert len(norms) == 6
    assert min(norms) > 1e-3


def test_a_number_of_steps_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_skipped is 0; expected at least 1 step in a row"):
        FiniteSteps(0)


@pytest.mark.parametrize("spoiled", ["loss", "statistics"])
def test_loss_with_a_finite_gradient_spoils_the_step_where_it_or_a_norm_is_not_finite(spoiled: str) -> None:
    """A constant has no gradient; features of 1e20 leave a finite loss and an infinite variance."""
    norm = torch.nn.BatchNorm1d(2)
    module: Any = torch.nn.Sequential(norm)
    steps, trainer = FiniteSteps(3), SimpleNamespace(accumulate_grad_batches=1)
    steps.on_train_batch_start(trainer, module, SimpleNamespace(video_indices=torch.arange(4)), 0)  # type: ignore[arg-type]
    x = torch.tensor([[1.0, 2.0], [3.0, 1.0]]) * (1e20 if spoiled == "statistics" else 1)
    loss = module(x).square().mean() + (float("inf") if spoiled == "loss" else 0)
    assert torch.isfinite(loss) == (spoiled == "statistics")
    (gradient,) = torch.autograd.grad(steps.saw(loss), norm.weight)
    assert not torch.isfinite(gradient).any()


def test_sound_loss_is_not_touched() -> None:
    steps, weight = FiniteSteps(3), torch.randn(5, requires_grad=True)
    loss = weight.square().sum()
    marked = steps.saw(loss)
    assert torch.equal(marked, loss)
    assert torch.equal(*(torch.autograd.grad(one, weight, retain_graph=True)[0] for one in (marked, loss)))
