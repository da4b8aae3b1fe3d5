"""The non-local block against the peers' own, and where the forms could go wrong."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from gcvideo.models.blocks import pairwise as forms
from gcvideo.models.blocks.non_local import PAIRWISE, NonLocal
from gcvideo.models.blocks.simplified_non_local import SimplifiedNonLocal

every_form = pytest.mark.parametrize("pairwise", PAIRWISE)


def _random(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3)


@pytest.mark.parametrize("subsample", [False, (1, 2, 2)])
@pytest.mark.parametrize(  # mmcv scales embedded Gaussians only
    ("pairwise", "use_scale"), [("embedded_gaussian", True), *((pairwise, False) for pairwise in PAIRWISE)]
)
def test_block_equals_mmcv(pairwise: Any, subsample: Any, use_scale: bool) -> None:
    with warnings.catch_warnings(action="ignore"):
        peer = importlib.import_module("mmcv.cnn.bricks").NonLocal3d
    norm = {"type": "BN3d"}
    theirs = peer(16, use_scale=use_scale, mode=pairwise, sub_sample=bool(subsample), norm_cfg=norm).double()
    _random(theirs)
    ours = NonLocal(16, pairwise=pairwise, subsample=subsample, subsample_where="after", use_scale=use_scale).double()
    state = {name: value for name, value in theirs.state_dict().items() if not name.startswith("concat")}
    pooled = ".0" if subsample else ""
    for name, theirs_name in (("theta", "theta"), ("phi", f"phi{pooled}"), ("g", f"g{pooled}")):
        for leaf in ("weight", "bias"):
            if f"{theirs_name}.conv.{leaf}" in state:
                state[f"{name}.{leaf}"] = state[f"{theirs_name}.conv.{leaf}"]
    state["out.weight"] = state["conv_out.conv.weight"]
    state["out.bias"] = state.get("conv_out.conv.bias", torch.zeros(16, dtype=torch.float64))
    state |= {f"norm.{n.removeprefix('conv_out.bn.')}": v for n, v in state.items() if n.startswith("conv_out.bn.")}
    if pairwise == "concatenation":
        state["concat.weight"] = theirs.concat_project.conv.weight.flatten()[None]
    own = ours.state_dict()
    ours.load_state_dict({name: state[name] for name in own})
    x = torch.randn(2, 16, 3, 4, 6, dtype=torch.float64)
    for mode in (True, False):
        torch.testing.assert_close(ours.train(mode)(x), theirs.train(mode)(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("pairwise", "instantiation"), [("embedded_gaussian", "softmax"), ("dot_product", "dot_product")]
)
def test_block_equals_pytorchvideo(pairwise: Any, instantiation: str) -> None:
    create_nonlocal = importlib.import_module("pytorchvideo.layers.nonlocal_net").create_nonlocal
    theirs = create_nonlocal(
        dim_in=16,
        dim_inner=8,
        pool_size=(1, 2, 2),
        instantiation=instantiation,
        norm=nn.BatchNorm3d,
        norm_eps=1e-5,
        norm_momentum=0.1,
    ).double()
    _random(theirs)
    ours = NonLocal(16, pairwise=pairwise, subsample=(1, 2, 2)).double()
    names = {"theta": "conv_theta", "phi": "conv_phi", "g": "conv_g", "out": "conv_out", "norm": "norm"}
    state = theirs.state_dict()
    parts = {name: name.partition(".") for name in ours.state_dict()}
    ours.load_state_dict({name: state[f"{names[part]}.{leaf}"] for name, (part, _, leaf) in parts.items()})
    x = torch.randn(2, 16, 3, 4, 6, dtype=torch.float64)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("n", "m"), [(5, 3), (7, 1), (1, 9), (40, 40), (64, 48)])
@pytest.mark.parametrize("kind", ["random", "ties", "equal", "no key above", "every key above"])
def test_concatenation_by_sorting_equals_the_textbook(n: int, m: int, kind: str) -> None:
    a, b = torch.randn(2, n, dtype=torch.float64), torch.randn(2, m, dtype=torch.float64)
    if kind == "ties":
        a, b = a.round(), b.round()
    elif kind == "equal":
        a, b = torch.zeros_like(a), torch.zeros_like(b)
    elif kind == "no key above":
        a = a - 100
    elif kind == "every key above":
        a = a + 100
    v = torch.randn(2, m, 4, dtype=torch.float64)
    fast: list[Any] = []
    plain: list[Any] = []
    for results, form in ((fast, forms.concatenation), (plain, forms.concatenation_reference)):
        leaves = [t.clone().requires_grad_() for t in (a, b, v)]
        out = form(*leaves)
        (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum().backward()  # type: ignore[no-untyped-call]
        results += [out.detach(), *(leaf.grad for leaf in leaves)]
    for one, other in zip(fast, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_concatenation_stays_precise_where_its_halves_cancel() -> None:
    """In float32, a around -1000 and b around 1000: the sums a + b are around 1."""
    a, b = torch.randn(1, 500, dtype=torch.float64) - 1000, torch.randn(1, 600, dtype=torch.float64) + 1000
    v = torch.randn(1, 600, 4, dtype=torch.float64)
    exact = forms.concatenation_reference(a, b, v)
    fast = forms.concatenation(a.float(), b.float(), v.float()).double()
    assert float((fast - exact).abs().max()) < 1e-3 * float(exact.abs().max())


@pytest.mark.parametrize(("n", "m", "d", "e"), [(300, 300, 8, 8), (4, 300, 64, 64), (300, 2, 64, 64)])
def test_either_order_of_the_dot_product_is_the_textbook(n: int, m: int, d: int, e: int) -> None:
    q, k, v = (torch.randn(2, size, width, dtype=torch.float64) for size, width in ((n, d), (m, d), (m, e)))
    torch.testing.assert_close(forms.dot_product(q, k, v), forms.dot_product_reference(q, k, v), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("n", "m", "d", "e"), [(200, 200, 8, 8), (100, 60, 16, 8), (9, 3, 16, 8)])
def test_fused_attention_is_the_textbook(n: int, m: int, d: int, e: int) -> None:
    q, k, v = (torch.randn(2, size, width, dtype=torch.float64) for size, width in ((n, d), (m, d), (m, e)))
    for scale in (1.0, 0.3):
        expected = forms.softmax_reference(q, k, v, scale)
        torch.testing.assert_close(forms.softmax(q, k, v, scale), expected, rtol=1e-10, atol=1e-10)


def test_submodules_that_a_function_does_not_use_are_absent() -> None:
    make: Any = NonLocal
    parts = {kind: {name for name, _ in make(8, pairwise=kind).named_children()} for kind in PAIRWISE}
    assert parts["embedded_gaussian"] == parts["dot_product"] == {"theta", "phi", "g", "pool", "out", "norm"}
    assert parts["gaussian"] == {"g", "pool", "out", "norm"}
    assert parts["concatenation"] == {"theta", "phi", "g", "concat", "pool", "out", "norm"}


@every_form
def test_one_axis_is_the_block_on_each_slice(pairwise: Any) -> None:
    whole = NonLocal(8, pairwise=pairwise).double().eval()
    _random(whole)
    x = torch.randn(2, 8, 3, 4, 5, dtype=torch.float64)
    make: Any = NonLocal
    for axes in ("space", "time"):
        part = make(8, pairwise=pairwise, axes=axes).double().eval()
        part.load_state_dict(whole.state_dict())
        if axes == "space":
            slices = torch.cat([whole(x[:, :, t : t + 1]) for t in range(3)], dim=2)
        else:
            rows = [[whole(x[..., h : h + 1, w : w + 1]) for w in range(5)] for h in range(4)]
            slices = torch.cat([torch.cat(row, dim=4) for row in rows], dim=3)
        torch.testing.assert_close(part(x), slices, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(part(x), part.reference(x), rtol=1e-10, atol=1e-10)


@every_form
def test_groups_of_frames_see_only_themselves(pairwise: Any) -> None:
    whole = NonLocal(8, pairwise=pairwise, subsample=(1, 2, 2)).double().eval()
    grouped = NonLocal(8, pairwise=pairwise, subsample=(1, 2, 2), group_frames=2).double().eval()
    _random(whole)
    grouped.load_state_dict(whole.state_dict())
    x = torch.randn(2, 8, 6, 4, 4, dtype=torch.float64)
    parts = torch.cat([whole(x[:, :, t : t + 2]) for t in (0, 2, 4)], dim=2)
    torch.testing.assert_close(grouped(x), parts, rtol=1e-10, atol=1e-10)
    with pytest.raises(ValueError, match="5 frames do not fill groups of group_frames 2"):
        grouped(x[:, :, :5])


def test_space_on_a_single_frame_is_spacetime() -> None:
    space, both = NonLocal(8, axes="space").eval(), NonLocal(8).eval()
    _random(space)
    both.load_state_dict(space.state_dict())
    x = torch.randn(2, 8, 1, 5, 4)
    torch.testing.assert_close(space(x), both(x))


@every_form
def test_attention_is_what_the_block_sums_with(pairwise: Any) -> None:
    block = NonLocal(8, pairwise=pairwise, subsample=(1, 2, 2)).double().eval()
    _random(block)
    x = torch.randn(2, 8, 2, 4, 4, dtype=torch.float64)
    before = block(x)
    weights = block.attention(x)
    assert weights.shape == (2, 32, 8)
    assert torch.equal(block.attention(x, torch.tensor([3, 7])), weights[:, [3, 7]])
    assert torch.equal(block(x), before)
    parts: Any = block
    values = parts.g(parts.pool(x)).flatten(2).transpose(1, 2)
    added = parts.norm(parts.out((weights @ values).transpose(1, 2).view(2, 4, 2, 4, 4)))
    torch.testing.assert_close(before, x + added, rtol=1e-10, atol=1e-10)
    if "gaussian" in pairwise:
        torch.testing.assert_close(weights.sum(2), torch.ones(2, 32, dtype=torch.float64))


def test_without_queries_weight_it_is_the_simplified_block() -> None:
    """theta = b for every position: W_k = b^T W_phi and W_v = W_z W_g."""
    block = NonLocal(8, use_scale=False).double().eval()
    _random(block)
    nn.init.zeros_(block.theta.weight)
    simplified = SimplifiedNonLocal(8).double()
    flat: dict[str, Any] = {name: getattr(block, name).weight.flatten(1) for name in ("phi", "g", "out")}
    bias = {name: getattr(block, name).bias for name in ("theta", "phi", "g", "out")}
    norm: Any = block.norm
    slope = norm.weight / (norm.running_var + norm.eps).sqrt()
    offset = norm.bias - slope * norm.running_mean
    with torch.no_grad():
        state = simplified.state_dict()
        state["pool.mask.weight"] = (bias["theta"] @ flat["phi"]).view(1, 8, 1, 1, 1)
        state["pool.mask.bias"] = (bias["theta"] @ bias["phi"]).view(1)
        state["transform.linear.weight"] = slope[:, None] * (flat["out"] @ flat["g"])
        state["transform.linear.bias"] = slope * (flat["out"] @ bias["g"] + bias["out"]) + offset
    simplified.load_state_dict(state)
    x = torch.randn(2, 8, 2, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(block(x), simplified(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [(2, 4, 4), (4, 16, 16)])
def test_gaussian_on_large_features_does_not_overflow(dtype: torch.dtype, size: tuple[int, ...]) -> None:
    block = NonLocal(64, pairwise="gaussian").eval()
    _random(block)
    x = 100 * torch.randn(1, 64, *size)
    with torch.no_grad():
        half = block.to(dtype)(x.to(dtype)).float()
        exact = block.float()(x.to(dtype).float())
    assert half.isfinite().all()
    assert float((half - exact).abs().max()) <= 0.02 * float(exact.abs().max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairwise": "cosine"}, "pairwise is 'cosine'; expected one of embedded_gaussian, gaussian"),
        ({"axes": "channels"}, "axes is 'channels'; expected one of spacetime, space, time"),
        ({"subsample_where": "during"}, "subsample_where is 'during'; expected one of before, after"),
        ({"subsample": (2, 2)}, r"subsample is \(2, 2\); expected False or three sizes"),
        ({"subsample": True}, "subsample is True; expected False or three sizes"),
        ({"subsample": (1, 0, 2)}, "expected False or three sizes"),
        ({"axes": "time", "subsample": (1, 2, 2)}, "each place needs its keys; take"),
        ({"axes": "space", "subsample": (2, 2, 2)}, "each frame needs its keys; take"),
        ({"hidden_channels": 0}, "hidden_channels is 0; expected at least 1"),
        ({"pairwise": "dot_product", "use_scale": True}, "use_scale is on with pairwise 'dot_product'"),
        ({"group_frames": 0}, "group_frames is 0; at least 1"),
        ({"group_frames": 4, "axes": "space"}, "group_frames is 4; at least 1, with axes 'spacetime'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NonLocal(8, **options)


def test_features_smaller_than_the_window_are_refused() -> None:
    with pytest.raises(ValueError, match=r"features of \(2, 1, 4\) do not fill one window of subsample"):
        NonLocal(8, subsample=(1, 2, 2))(torch.zeros(1, 8, 2, 1, 4))
