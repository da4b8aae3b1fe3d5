"""Hooks on the parts of a block, as the visualisations of GCNet's authors put them on the mask."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.blocks.pools import AttentionPool


def _block() -> tuple[GlobalContext, AttentionPool]:
    block = GlobalContext(8)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.normal_(std=0.5)
    assert isinstance(block.pool, AttentionPool)
    return block, block.pool


def test_hook_on_the_mask_sees_the_logits_and_the_result_stays() -> None:
    (block, pool), x = _block(), torch.randn(2, 8, 3, 4, 5)
    before, seen = block(x), []
    hook = pool.mask.register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    torch.testing.assert_close(block(x), before, rtol=1e-6, atol=1e-6)
    (logits,) = seen
    assert logits.shape == (2, 1, 3, 4, 5)
    torch.testing.assert_close(logits.flatten(1).softmax(1), block.attention(x).flatten(1))
    hook.remove()
    seen.clear()
    block(x)
    assert not seen


def test_hook_on_the_pool_sees_the_context() -> None:
    (block, pool), x, seen = _block(), torch.randn(2, 8, 3, 4, 5), list[Tensor]()
    pool.register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    block(x)
    expected = torch.einsum("nthw,ncthw->nc", block.attention(x), x)
    torch.testing.assert_close(seen[0].flatten(1), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("part", ["pool", "pool.mask"])
def test_hooks_before_and_after_every_pass_are_called(part: str) -> None:
    (block, _), x, called = _block(), torch.randn(2, 8, 3, 4, 5, requires_grad=True), list[str]()
    module: nn.Module = block.get_submodule(part)
    for when, register in (
        ("before", module.register_forward_pre_hook),
        ("gradient", module.register_full_backward_hook),
        ("before the gradient", module.register_full_backward_pre_hook),
    ):
        handle = register(lambda *_, when=when: called.append(when))
        block(x).sum().backward()
        handle.remove()
    assert called == ["before", "gradient", "before the gradient"]
