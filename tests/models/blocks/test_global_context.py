from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gcvideo.models.blocks import pools
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.blocks.pools import AttentionPool
from gcvideo.models.blocks.transforms import Bottleneck


def _perturbed(channels: int = 8) -> GlobalContext:
    block = GlobalContext(channels).double()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.normal_()
    return block


def _textbook(block: GlobalContext, x: Tensor) -> Tensor:
    """Position by position: softmax over all positions, weighted sum, bottleneck with layer norm, sum."""
    result = torch.empty_like(x)
    bottleneck, pool = block.transform, block.pool
    assert isinstance(bottleneck, Bottleneck)
    assert isinstance(pool, AttentionPool)
    assert pool.mask.bias is not None
    first, norm, last = bottleneck.down, bottleneck.norm, bottleneck.up
    assert isinstance(norm, nn.LayerNorm)
    for n, clip in enumerate(x):
        positions = clip.reshape(clip.shape[0], -1).T  # (S, C)
        logits = torch.stack([pool.mask.weight.reshape(-1) @ p for p in positions]) + pool.mask.bias
        weights = (logits - logits.max()).exp()
        context = sum(w * p for w, p in zip(weights / weights.sum(), positions, strict=True))
        hidden = first.weight @ context + first.bias
        centred = hidden - hidden.mean()
        hidden = norm.weight * centred / (centred.pow(2).mean() + norm.eps).sqrt() + norm.bias
        delta = last.weight @ hidden.clamp(min=0) + last.bias
        result[n] = clip + delta[:, None, None, None]
    return result


def test_block_equals_the_textbook_formula() -> None:
    block = _perturbed()
    x = torch.randn(2, 8, 3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(block(x), _textbook(block, x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("channels_last", [False, True])
def test_features_read_in_parts_give_the_same(channels_last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """130 positions in parts of 64: values and gradients; the logits rise, so that each part has a new maximum."""
    block = _perturbed()
    x = torch.randn(2, 8, 2, 5, 13, dtype=torch.float64)
    x += torch.linspace(0, 20, 130, dtype=torch.float64).view(2, 5, 13)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last_3d)
    found = []
    for size in (pools._CHUNK_BYTES, 1):
        monkeypatch.setattr(pools, "_CHUNK_BYTES", size)
        assert len(pools._chunks(pools._rows(x))) == (3 if size == 1 else 1)
        leaf = x.clone().requires_grad_()
        z = block(leaf)
        z.square().sum().backward()
        weight = block.pool.get_submodule("mask").weight
        assert isinstance(weight, Tensor)
        assert leaf.grad is not None
        assert weight.grad is not None
        found.append((z.detach(), leaf.grad, weight.grad.clone()))
        block.zero_grad()
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("channels", "ratio", "count"),
    [
        (512, 1 / 4, 132_481),
        (1024, 1 / 4, 527_105),
        (2048, 1 / 4, 2_102_785),
        (512, 1 / 16, 33_889),
        (1024, 1 / 16, 133_313),
        (2048, 1 / 16, 528_769),
    ],
)
def test_parameter_counts_are_those_of_the_official_block(channels: int, ratio: float, count: int) -> None:
    with torch.device("meta"):
        block = GlobalContext(channels, ratio)
    assert sum(parameter.numel() for parameter in block.parameters()) == count


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_fresh_block_is_the_identity_in_every_dtype(dtype: torch.dtype) -> None:
    x = torch.randn(2, 8, 2, 3, 3).to(dtype)
    assert torch.equal(GlobalContext(8).to(dtype)(x), x)


def test_every_parameter_learns_after_one_step() -> None:
    block, x = GlobalContext(8), torch.randn(2, 8, 2, 3, 3)
    optimizer = torch.optim.SGD(block.parameters(), lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        (block(x) * torch.randn(2, 8, 1, 1, 1)).sum().backward()
        optimizer.step()
    gradients = {name: float(p.grad.abs().max()) for name, p in block.named_parameters() if p.grad is not None}
    assert gradients.pop("pool.mask.bias") < 1e-5 * gradients["pool.mask.weight"]  # constant under softmax
    assert len(gradients) == 7
    assert min(gradients.values()) > 1e-6


def test_attention_sums_to_one_over_space_and_time() -> None:
    attention = _perturbed().attention(torch.randn(2, 8, 3, 4, 5, dtype=torch.float64))
    assert attention.shape == (2, 3, 4, 5)
    torch.testing.assert_close(attention.sum(dim=(1, 2, 3)), torch.ones(2).double())


def test_layout_does_not_change_the_result() -> None:
    block, x = _perturbed(), torch.randn(2, 8, 3, 4, 5, dtype=torch.float64)
    there = block(x.contiguous(memory_format=torch.channels_last_3d))
    torch.testing.assert_close(there, block(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("ratio", [16, 1, 0, -0.5])
def test_ratio_that_is_no_share_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match=f"ratio is {ratio}; expected a share between 0 and 1"):
        GlobalContext(64, ratio)


def test_ratio_as_a_divisor_is_answered_with_the_share() -> None:
    with pytest.raises(ValueError, match=r"such as 1/16 = 0\.0625$"):
        GlobalContext(64, 16)


@pytest.mark.parametrize("channels", [16, 21, 29, 30])
def test_single_hidden_channel_is_refused_with_a_ratio_that_is_enough(channels: int) -> None:
    message = rf"ratio 0\.0625 of {channels} channels leaves 1 hidden ones; at least 2 are needed: take a ratio of "
    with pytest.raises(ValueError, match=message) as caught:
        GlobalContext(channels, 1 / 16)
    least = float(str(caught.value).partition("take a ratio of ")[2].split()[0])
    hidden = GlobalContext(channels, least).transform.get_submodule("down").weight
    assert isinstance(hidden, Tensor)
    assert hidden.shape[0] == 2


@pytest.mark.parametrize("shape", [(2, 8, 3, 3), (2, 7, 1, 3, 3)])
def test_other_inputs_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(N, 8, T, H, W\), got"):
        GlobalContext(8)(torch.zeros(shape))
