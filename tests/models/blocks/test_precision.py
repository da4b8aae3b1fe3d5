"""Digits that half precision keeps."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gcvideo.models.blocks import pairwise as forms
from gcvideo.models.blocks.non_local import PAIRWISE, NonLocal


@pytest.mark.parametrize("size", [1e-3, 1.0, 20.0])
@pytest.mark.parametrize(("n", "m"), [(6272, 6272), (6272, 20), (20, 6272)], ids=["square", "few keys", "few queries"])
def test_dot_product_of_float16_is_as_precise_as_float16(size: float, n: int, m: int) -> None:
    """Values divided by 6272 keys are subnormal at a size of 0.001; the sums over them are beyond 65504 at 20."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, each, 64).half() for each in (n, m, m))
    k, v = (k, v * size) if size < 1 else (k * size, v * size)
    exact = forms.dot_product(q.double(), k.double(), v.double())
    half = forms.dot_product(q, k, v)
    assert half.dtype == torch.float16
    assert float((half.double() - exact).norm()) < 1e-3 * float(exact.norm())


@pytest.mark.parametrize("pairwise", PAIRWISE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_attention_is_float32_in_half_precision(pairwise: Any, dtype: torch.dtype) -> None:
    """Of a block in that dtype, and of one in float32 under autocast to it."""
    block, x = NonLocal(8, pairwise=pairwise).eval(), torch.randn(2, 8, 2, 3, 3)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.normal_(std=0.5)
        exact = block.attention(x)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            under_autocast = block.attention(x)
        half = block.to(dtype).attention(x.to(dtype))
    for weights in (under_autocast, half):
        assert weights.dtype == torch.float32
        assert float((weights - exact).abs().max()) < 0.05 * float(exact.abs().max())
        if "gaussian" in pairwise:
            torch.testing.assert_close(weights.sum(2), torch.ones(2, 18))
