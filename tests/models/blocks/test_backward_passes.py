"""What a step may meet: autocast that is still on in the backward pass, second derivatives, batches without clips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gcvideo.models.block import Block
from gcvideo.models.blocks.non_local import NonLocal
from gcvideo.models.blocks.pairwise import softmax
from gcvideo.models.blocks.pools import AttentionPool
from tests.models.blocks.catalogue import FAMILY
from tests.models.blocks.test_family import perturbed


@pytest.mark.parametrize(
    ("make", "channels"), [*((make, 8) for make in FAMILY.values()), (NonLocal, 520)], ids=[*FAMILY, "NonLocal wide"]
)
def test_backward_inside_autocast_gives_the_gradients_of_one_outside(
    make: Callable[[int], Block], channels: int
) -> None:
    block = perturbed(make, channels, torch.float32)
    x = torch.randn(1, channels, 4, 9, 8) / channels**0.5
    found = []
    for inside in (False, True):
        leaf = x.clone().requires_grad_()
        block.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = block(leaf).float().square().sum()
            if inside:
                loss.backward()
        if not inside:
            loss.backward()
        assert leaf.grad is not None
        found.append([leaf.grad, *(p.grad.clone() for p in block.parameters() if p.grad is not None)])
    largest = max(float(gradient.abs().max()) for gradient in found[0])
    for one, other in zip(*found, strict=True):
        assert float((one - other).abs().max()) <= 0.02 * largest


def _by_pool(x: Tensor) -> Tensor:
    torch.manual_seed(0)
    passed, context = AttentionPool(8).pass_through(x)
    return passed.square().sum() + context.square().sum()


def _by_parts(x: Tensor) -> Tensor:
    rows = x.flatten(2).transpose(1, 2).contiguous()
    return softmax(rows, rows, rows[:, :, :4], 1.0).square().sum()  # keys wider than values


own_gradients = pytest.mark.parametrize("function", [_by_pool, _by_parts])


@own_gradients
def test_gradients_of_our_own_keep_float32_inside_autocast(function: Callable[[Tensor], Tensor]) -> None:
    x = torch.randn(2, 8, 3, 6, 6, requires_grad=True)
    (outside,) = torch.autograd.grad(function(x), x)
    with torch.autocast("cpu", torch.bfloat16):
        (inside,) = torch.autograd.grad(function(x), x)
    torch.testing.assert_close(inside, outside, rtol=1e-5, atol=1e-5)


@own_gradients
def test_second_derivatives_are_refused(function: Callable[[Tensor], Tensor]) -> None:
    """At once, as the second pass alone may not notice that terms are missing; the first derivatives are left alone."""
    x = torch.randn(2, 8, 3, 6, 6, requires_grad=True)
    with pytest.raises(RuntimeError, match="no second derivatives; call its `reference` for them"):
        torch.autograd.grad(function(x), x, create_graph=True)
    torch.autograd.grad(function(x), x)


@pytest.mark.parametrize("make", FAMILY.values(), ids=FAMILY.keys())
@pytest.mark.parametrize("shape", [(0, 8, 2, 4, 4), (0, 8, 4, 8, 8)])
def test_batch_without_clips_passes_and_changes_nothing(make: Callable[[int], Block], shape: tuple[int, ...]) -> None:
    """Gradients are zero, and the statistics of a norm stay finite."""
    block = make(8)
    forms: list[Callable[[Tensor], Tensor]] = [block, block.reference]  # type: ignore[list-item]
    for train in (True, False):
        for form in forms:
            block.train(train)
            x = torch.zeros(shape, requires_grad=True)
            z = form(x)
            z.sum().backward()  # type: ignore[no-untyped-call]
            assert z.shape == x.shape
    assert all(not p.grad.any() for p in block.parameters() if p.grad is not None)
    assert all(buffer.isfinite().all() for buffer in block.buffers())


@pytest.mark.parametrize("axes", ["space", "time"])
def test_batch_without_clips_passes_along_one_axis(axes: Any) -> None:
    assert NonLocal(8, axes=axes)(torch.zeros(0, 8, 2, 3, 3)).shape == (0, 8, 2, 3, 3)
