"""What holds for every block: fast against reference, gradients, identity at birth, shapes, dtypes, compilers."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gcvideo.models.backbones.c2d import C2D
from gcvideo.models.backbones.i3d import I3D
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.block import Block
from gcvideo.models.sites import POSITIONS, Insertion, insert
from tests.models.blocks.catalogue import CONTEXT_BLOCKS, FAMILY, IDENTITIES, NON_LOCAL

Make = Callable[[int], Block]
family = pytest.mark.parametrize("make", FAMILY.values(), ids=FAMILY.keys())


def perturbed(make: Make, channels: int = 8, dtype: torch.dtype = torch.float64) -> Block:
    """A block of random weights, so that nothing hides behind a zero."""
    block = make(channels).to(dtype)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.normal_(std=0.5)
    return block


@family
@pytest.mark.parametrize("shape", [(2, 8, 3, 4, 5), (1, 8, 1, 2, 2), (3, 8, 2, 7, 3)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_block_equals_its_reference(make: Make, shape: tuple[int, ...], layout: torch.memory_format) -> None:
    """Values and all gradients, in float64."""
    block = perturbed(make)
    clips = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=layout)
    results, gradients = [], []
    forms: list[Callable[[Tensor], Tensor]] = [block, block.reference]  # type: ignore[list-item]
    for form in forms:
        x = clips.clone().requires_grad_()
        block.zero_grad()
        z = form(x)
        (z * torch.linspace(-1, 1, z.numel(), dtype=z.dtype).view_as(z)).sum().backward()  # type: ignore[no-untyped-call]
        results.append(z.detach())
        assert x.grad is not None
        gradients.append([x.grad, *(p.grad.clone() for p in block.parameters() if p.grad is not None)])
    torch.testing.assert_close(results[0], results[1], rtol=1e-10, atol=1e-10)
    assert len(gradients[0]) == len(gradients[1]) == len(list(block.parameters())) + 1
    for fast, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-9, atol=1e-9)


@family
def test_gradients_are_those_of_finite_differences(make: Make) -> None:
    block = perturbed(make).eval()
    x = torch.randn(2, block.channels, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, x, fast_mode=True)


@pytest.mark.parametrize("make", IDENTITIES.values(), ids=IDENTITIES.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_fresh_block_is_the_identity_bit_for_bit(make: Make, dtype: torch.dtype) -> None:
    block, x = make(8).to(dtype), torch.randn(2, 8, 2, 4, 4).to(dtype)
    for mode in (True, False):
        assert torch.equal(block.train(mode)(x), x)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype != torch.float64):
        assert block(x).dtype == dtype
        assert torch.equal(block(x), x)


@pytest.mark.sampled
@pytest.mark.parametrize("make", IDENTITIES.values(), ids=IDENTITIES.keys())
@pytest.mark.parametrize("kind", [SlowOnly, I3D, C2D])
def test_fresh_block_changes_no_network_wherever_it_stands(make: Make, kind: Callable[..., nn.Module]) -> None:
    plain = kind(width=8, zero_init_last_bn=False)
    full = copy.deepcopy(plain)
    for position in POSITIONS:
        stages = {f"res{number}": "all" for number in range(2, 6)}
        insert(full, position, Insertion(make, stages, position))  # type: ignore[arg-type]
    x = torch.randn(2, 3, 4, 64, 64)
    for mode in (True, False):
        with torch.no_grad():
            assert torch.equal(plain.train(mode)(x), full.train(mode)(x))


def test_gates_say_that_they_are_not_the_identity() -> None:
    x = torch.randn(2, 8, 2, 4, 4)
    for name, make in FAMILY.items():
        block = make(8)
        text = " ".join(str(type(block).__doc__).split())
        assert name in IDENTITIES or not torch.equal(block(x), x)
        if name not in IDENTITIES:
            assert "identity at birth" in text or "halves the features at birth" in text or "A gate:" in text, name


@family
def test_every_parameter_gets_a_gradient(make: Make) -> None:
    block = perturbed(make, dtype=torch.float32)
    block(torch.randn(2, 8, 2, 4, 4, requires_grad=True)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())


@family
def test_autocast_stays_near_float32(make: Make) -> None:
    block = perturbed(make, dtype=torch.float32).eval()
    x = torch.randn(2, 8, 2, 6, 6)
    with torch.no_grad():
        exact = block(x)
        with torch.autocast("cpu", torch.bfloat16):
            half = block(x).float()
    assert float((half - exact).abs().max()) <= 0.06 * float(exact.abs().max())


@family
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 8, 3, 3), r"expected \(N, 8, T, H, W\), got \(2, 8, 3, 3\); x\[:, :, None\] makes clips of one frame"),
        ((2, 7, 1, 3, 3), r"expected \(N, 8, T, H, W\), got \(2, 7, 1, 3, 3\); make the block for 7 channels"),
        ((2, 8, 0, 3, 3), "have an axis without positions; T, H, W are at least 1: take longer or larger clips"),
        ((2, 8, 2, 3, 0), "have an axis without positions"),
    ],
)
def test_other_inputs_are_refused(make: Make, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(8)(torch.zeros(shape))


@family
@pytest.mark.parametrize(
    "view",
    [
        lambda: torch.randn(2, 6, 5, 4, 8, dtype=torch.float64).permute(0, 4, 2, 3, 1)[:, :, 1:, :, ::2],
        lambda: torch.randn(2, 3, 8, 5, 6, dtype=torch.float64).transpose(1, 2),
        lambda: torch.randn(2, 8, 3, 6, 5, dtype=torch.float64).transpose(3, 4),
        lambda: torch.randn(2, 6, 5, 3, 8, dtype=torch.float64).transpose(1, 4),
    ],
    ids=["sliced", "frames first", "width first", "channels last, other order"],
)
def test_views_that_are_not_contiguous_are_fine(make: Make, view: Callable[[], Tensor]) -> None:
    block, clips = perturbed(make), view()
    results = []
    for x in (clips.detach(), clips.detach().contiguous()):
        x.requires_grad_()
        z = block(x)
        z.square().sum().backward()
        assert x.grad is not None
        results.append((z.detach(), x.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


class _Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The size of the largest tensor that any operation gives."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        outputs = result if isinstance(result, tuple | list) else [result]
        self.numel = max([self.numel, *(t.numel() for t in outputs if isinstance(t, Tensor))])
        return result


@pytest.mark.parametrize("name", list(NON_LOCAL))
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("bf16", [False, True])
def test_no_operation_gives_a_tensor_of_all_pairs(name: str, layout: torch.memory_format, bf16: bool) -> None:
    """Neither forward nor backward: 1024 positions of 8 channels, so all pairs would be 1,048,576 numbers."""
    block = perturbed(FAMILY[name], dtype=torch.float32)
    x = torch.randn(1, 8, 4, 16, 16).contiguous(memory_format=layout).requires_grad_()
    with _Largest() as largest:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            z = block(x)
        z.float().sum().backward()
    assert largest.numel < 1024 * 1024 // 8


@pytest.mark.parametrize("name", [n for n in FAMILY if "subsampled" not in n])
def test_half_precision_overflows_nowhere(name: str) -> None:
    """Features of 20 at 3136 positions: their plain sum, and the keys' with the values', are beyond 65504."""
    block = FAMILY[name](8).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.fill_(0.1)
        assert block.half()(torch.full((1, 8, 4, 28, 28), 20.0, dtype=torch.float16)).isfinite().all()


@pytest.mark.parametrize("name", [n for n in FAMILY if "subsampled" not in n])
def test_compiled_block_gives_the_same_numbers_and_gradients(name: str) -> None:
    """Traced whole (fullgraph) and differentiated by torch.compile; code generation is torch's own affair."""
    block, clips = perturbed(FAMILY[name], dtype=torch.float32), torch.randn(2, 8, 2, 4, 6)
    torch.compiler.reset()
    with warnings.catch_warnings(action="ignore"):
        compiled = torch.compile(block, backend="aot_eager", fullgraph=True)
        results = []
        for form in (compiled, block):
            x = clips.clone().requires_grad_()
            z = form(x)
            z.square().sum().backward()
            assert x.grad is not None
            results.append((z.detach(), x.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@family
def test_export_gives_the_same_numbers(make: Make) -> None:
    block, x = perturbed(make, dtype=torch.float32).eval(), torch.randn(2, 8, 2, 4, 6)
    with warnings.catch_warnings(action="ignore"):
        exported = torch.export.export(block, (x,)).module()
    torch.testing.assert_close(exported(x), block(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in FAMILY if "subsampled" not in n])
def test_onnx_gives_the_same_numbers(name: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    block, x = perturbed(FAMILY[name], dtype=torch.float32).eval(), torch.randn(2, 8, 2, 4, 6)
    with warnings.catch_warnings(action="ignore"):
        program = torch.onnx.export(block, (x,), dynamo=True, verbose=False)
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(found, block(x).detach().numpy(), rtol=1e-4, atol=1e-4)


def _permuted(x: Tensor, order: Tensor) -> Tensor:
    return x.flatten(2)[:, :, order].view_as(x)


@pytest.mark.parametrize("name", [*CONTEXT_BLOCKS, *NON_LOCAL])
@given(seed=st.integers(0, 2**16), frames=st.integers(1, 4), side=st.integers(1, 4))
def test_permuting_positions_commutes_with_the_block(name: str, seed: int, frames: int, side: int) -> None:
    torch.manual_seed(seed)
    block = perturbed(FAMILY[name]).eval()
    x = torch.randn(2, 8, frames, side, side + 1, dtype=torch.float64)
    order = torch.randperm(x[0, 0].numel())
    torch.testing.assert_close(block(_permuted(x, order)), _permuted(block(x), order), rtol=1e-8, atol=1e-8)


@given(seed=st.integers(0, 2**16), frames=st.integers(1, 4), side=st.integers(1, 4))
def test_context_of_gc_lies_between_the_positions(seed: int, frames: int, side: int) -> None:
    """A convex combination: no coordinate beyond the smallest and the largest."""
    torch.manual_seed(seed)
    block = perturbed(FAMILY["GC"])
    x = torch.randn(2, 8, frames, side, side, dtype=torch.float64)
    _, context = block.pool.pass_through(x)  # type: ignore[operator,union-attr]
    flat, context = x.flatten(2), context.flatten(1)
    assert (context >= flat.amin(2) - 1e-12).all()
    assert (context <= flat.amax(2) + 1e-12).all()
