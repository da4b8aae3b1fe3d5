from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop

from gcvideo.training.fused import align_states, fuse, prepare_step
from tests.training.small_runs import small_data, small_fit, small_task, write_manifest

MAKERS = [partial(SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2), partial(AdamW, lr=0.1)]
LAYOUTS = [torch.contiguous_format, torch.channels_last_3d]


def _trained(make: Any, gradients: torch.memory_format, *, fused: bool) -> list[nn.Parameter]:
    """A convolution and a bias after four steps, one of them without a gradient of the bias."""
    draw = torch.Generator().manual_seed(1)
    weight = torch.randn(8, 6, 3, 3, 3, generator=draw).to(memory_format=torch.channels_last_3d)
    parameters = [nn.Parameter(weight), nn.Parameter(torch.randn(7, generator=draw))]
    optimizer: Optimizer = make([{"params": parameters}])
    if fused:
        fuse(optimizer)
        assert all(group["fused"] for group in optimizer.param_groups)
    for step in range(4):
        parameters[0].grad = torch.randn(8, 6, 3, 3, 3, generator=draw).to(memory_format=gradients)
        parameters[1].grad = torch.randn(7, generator=draw) if step != 2 else None
        prepare_step(optimizer)
        optimizer.step()
    return parameters


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("gradients", LAYOUTS)
def test_fused_steps_are_the_plain_ones_in_any_layout(make: Any, gradients: torch.memory_format) -> None:
    for one, other in zip(_trained(make, gradients, fused=True), _trained(make, gradients, fused=False), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("make", MAKERS)
def test_momentum_of_another_layout_is_brought_into_that_of_the_weights(make: Any) -> None:
    """Saved in one layout, gone on with in the other."""
    value, gradients = torch.randn(8, 6, 3, 3, 3), torch.randn(4, 8, 6, 3, 3, 3)
    ends = []
    for first, second in [(LAYOUTS[0], LAYOUTS[0]), (LAYOUTS[0], LAYOUTS[1]), (LAYOUTS[1], LAYOUTS[0])]:
        parameter: torch.Tensor = value.clone()
        states: dict[str, Any] = {}
        for layout, part in ((first, gradients[:2]), (second, gradients[2:])):
            parameter = nn.Parameter(parameter.detach().to(memory_format=layout))
            optimizer = make([parameter])
            if states:
                optimizer.load_state_dict(states)
                align_states(optimizer)
            fuse(optimizer)
            for gradient in part:
                parameter.grad = gradient.clone().to(memory_format=layout)
                optimizer.step()
            states = optimizer.state_dict()
        ends.append(parameter.detach())
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=1e-6, atol=1e-6)


def test_optimizer_that_was_told_how_to_step_and_one_without_a_kernel_are_left_alone() -> None:
    parameters = [nn.Parameter(torch.randn(3))]
    for make, expected in ((partial(SGD, fused=False), False), (partial(SGD, foreach=True), None)):
        optimizer: Optimizer = make(parameters, lr=0.1)
        fuse(optimizer)
        assert optimizer.param_groups[0]["fused"] is expected
    without = RMSprop(parameters)
    fuse(without)
    assert "fused" not in without.param_groups[0]


class Layouts(Callback):
    """Notes, after each step, the strides of weights and of their momentum."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Any, Any]] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert all(group["fused"] for group in trainer.optimizers[0].param_groups)
        for parameter, state in trainer.optimizers[0].state.items():
            if parameter.ndim == 5 and min(parameter.shape[1:3]) > 1:
                self.pairs.append((parameter.stride(), state["momentum_buffer"].stride()))


@pytest.mark.parametrize("saved_in", [True, False])
def test_run_may_go_on_in_another_layout(saved_in: bool, tmp_path: Path) -> None:
    manifest, layouts = write_manifest(tmp_path), Layouts()
    trainer = small_fit(small_task(channels_last=saved_in), small_data(manifest), epochs=1)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    again = small_task(channels_last=not saved_in)
    small_fit(again, small_data(manifest), layouts, epochs=2, continues=tmp_path / "one.ckpt")
    assert layouts.pairs
    assert all(weights == momentum for weights, momentum in layouts.pairs)
