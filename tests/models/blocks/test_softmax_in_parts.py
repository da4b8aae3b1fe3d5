from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gcvideo.models.blocks import pairwise, softmax_in_parts
from gcvideo.models.blocks.non_local import NonLocal


def _inputs(n: int, m: int, d: int, e: int) -> list[Tensor]:
    sizes = ((n, d), (m, d), (m, e))
    return [torch.randn(2, size, width, dtype=torch.float64, requires_grad=True) for size, width in sizes]


@pytest.mark.parametrize(("n", "m", "d", "e"), [(1100, 40, 8, 4), (512, 30, 4, 8), (1, 1, 4, 2), (700, 3, 1, 1)])
def test_result_and_gradients_are_those_of_the_textbook(
    n: int, m: int, d: int, e: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(softmax_in_parts, "_WEIGHTS_CPU", 20_000)
    inputs = q, k, v = _inputs(n, m, d, e)
    parts = softmax_in_parts.softmax_in_parts(q, k, v, 0.7)
    whole = pairwise.softmax_reference(q, k, v, 0.7)
    torch.testing.assert_close(parts, whole, rtol=1e-10, atol=1e-10)
    weight = torch.randn_like(whole)
    for one, other in zip(
        torch.autograd.grad(parts, inputs, weight), torch.autograd.grad(whole, inputs, weight), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_gradients_agree_with_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax_in_parts, "_WEIGHTS_CPU", 30)  # three queries at a time
    assert torch.autograd.gradcheck(
        lambda q, k, v: softmax_in_parts.softmax_in_parts(q, k, v, 1.0), _inputs(7, 5, 3, 2)
    )


def test_large_logits_do_not_overflow() -> None:
    q, k, v = (100 * x.detach().float() for x in _inputs(600, 20, 16, 8))
    parts = softmax_in_parts.softmax_in_parts(q, k, v, 1.0)
    assert torch.isfinite(parts).all()
    torch.testing.assert_close(parts, pairwise.softmax_reference(q, k, v, 1.0), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("device", "mib"), [("cpu", 4), ("meta", 256)])
def test_part_holds_the_weights_of_as_many_queries_as_its_device_wants(device: str, mib: int) -> None:
    """64 clips of 6272 positions: 2 queries in a processor's cache; meta stands for every other device."""
    queries = torch.empty(64, 6272, 8, device=device)
    parts = list(softmax_in_parts._parts(queries, queries))
    assert parts[0].stop * 64 * 6272 * 4 <= mib * 2**20 < (parts[0].stop + 1) * 64 * 6272 * 4
    assert [position for part in parts for position in range(6272)[part]] == list(range(6272))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_gaussian_block_takes_it_under_autocast_and_agrees(layout: torch.memory_format) -> None:
    """More keys than channels, and keys wider than values."""
    block = NonLocal(16, pairwise="gaussian").eval()
    torch.nn.init.ones_(block.norm.weight)
    x = torch.randn(2, 16, 4, 8, 8).to(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16):
        result = block(x)
    torch.testing.assert_close(result.float(), block.reference(x), rtol=2e-2, atol=2e-2)
    assert block(x).is_contiguous(memory_format=layout)
