"""Non-local blocks that torch.compile reads, for features of several sizes: alone, and in a network."""

from __future__ import annotations

import copy
import warnings
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.blocks.non_local import PAIRWISE, NonLocal
from gcvideo.models.network import Network
from gcvideo.models.sites import Insertion
from tests.models.blocks.test_family import perturbed

RES3, KEYS = 32, 4 * 4 * 4  # channels of res3, and the keys there of 4x64x64 after pooling
precisions = pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])


def _network(pairwise: Any) -> Network:
    make = partial(NonLocal, pairwise=pairwise, subsample=(1, 2, 2))
    network = Network(SlowOnly(width=4), 5, {"nl": Insertion(make, {"res3": [1, 3], "res4": "last"})}, dropout=0)
    for path in network.block_paths:
        nn.init.normal_(network.get_submodule(path).get_submodule("norm").weight)  # type: ignore[arg-type]
    return network


def _check_compiled(plain: nn.Module, x: Tensor, bf16: bool) -> None:
    """The same results and gradients after torch.compile."""
    torch.compiler.reset()
    compiled, found = copy.deepcopy(plain), []
    with warnings.catch_warnings(action="ignore"):
        compiled.compile(backend="aot_eager")
        for module in (compiled, plain):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                z = module(x)
            z.float().square().mean().backward()
            found.append([z.detach().float(), *(p.grad for p in module.parameters() if p.grad is not None)])
    assert len(found[0]) == len(found[1]) == 1 + len(list(plain.parameters()))
    for one, other in zip(*found, strict=True):
        assert float((one - other).norm()) <= (0.1 if bf16 else 1e-3) * float(other.norm()) + 1e-4


@pytest.mark.long
@pytest.mark.parametrize("pairwise", PAIRWISE)
@precisions
def test_compiled_network_gives_the_same_scores_and_gradients(pairwise: Any, bf16: bool) -> None:
    """More keys than channels in res3, fewer in res4."""
    assert KEYS > RES3
    _check_compiled(_network(pairwise), torch.rand(2, 3, 4, 64, 64), bf16)


@precisions
def test_compiled_residual_blocks_of_two_strides_give_the_same(bf16: bool) -> None:
    """At the second of them torch leaves strides open, and with these the number of keys; a gaussian goes in parts."""
    blocks: Any = _network("gaussian").blocks[2].get_submodule("res_blocks")
    _check_compiled(nn.Sequential(blocks[0], blocks[1]), torch.randn(2, 16, 4, 16, 16), bf16)


WIDTHS = [*((pairwise, 8) for pairwise in PAIRWISE), ("embedded_gaussian", 520)]


@pytest.mark.parametrize(("pairwise", "channels"), WIDTHS)
@precisions
def test_compiled_block_takes_features_of_other_sizes(pairwise: Any, channels: int, bf16: bool) -> None:
    """From the second on, torch leaves the sizes open. Keys wider than values (gaussian), and wider than 256."""
    torch.compiler.reset()
    block = perturbed(partial(NonLocal, pairwise=pairwise, subsample=(1, 2, 2)), channels, torch.float32).eval()
    with warnings.catch_warnings(action="ignore"):
        compiled = torch.compile(block, backend="aot_eager", fullgraph=True)
        for size in ((2, 18, 16), (4, 24, 26)):
            x = torch.randn(1, channels, *size) / channels**0.5
            results = []
            for form in (compiled, block):
                leaf = x.clone().requires_grad_()
                with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    z = form(leaf)
                z.float().square().mean().backward()
                assert leaf.grad is not None
                results.append((z.detach().float(), leaf.grad))
            for one, other in zip(*results, strict=True):
                assert float((one - other).norm()) <= (3e-2 if bf16 else 1e-4) * float(other.norm())
