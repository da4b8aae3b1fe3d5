from __future__ import annotations

import pytest
import torch

from gcvideo.models.blocks.transforms import Bottleneck


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("relu", [True, False])
def test_bottleneck_is_its_layers_one_after_the_other(norm: bool, relu: bool) -> None:
    """Without ReLU and norm it is a product of two matrices."""
    bottleneck, context = Bottleneck(16, norm=norm, relu=relu).double(), torch.randn(3, 16, dtype=torch.float64)
    with torch.no_grad():
        for parameter in bottleneck.parameters():
            parameter.normal_(std=0.3)
    state = bottleneck.state_dict()
    assert set(state) == {f"{part}.{leaf}" for part in ["down", "up"] + ["norm"] * norm for leaf in ("weight", "bias")}
    hidden = context @ state["down.weight"].T + state["down.bias"]
    if norm:
        centred = hidden - hidden.mean(1, keepdim=True)
        hidden = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        hidden = hidden * state["norm.weight"] + state["norm.bias"]
    assert (hidden < 0).any()
    hidden = hidden.clamp(min=0) if relu else hidden
    expected = hidden @ state["up.weight"].T + state["up.bias"]
    torch.testing.assert_close(bottleneck(context), expected, rtol=1e-10, atol=1e-10)
