"""How the positions of a clip become one context: by the average, or by attention with one learned query."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from gcvideo.models.blocks.context_block import Pool
from gcvideo.models.blocks.execution import is_traced, refuse_second_derivatives, without_autocast

Axes = Literal["spacetime", "space", "time"]
_GATHERED: dict[str, tuple[int, ...]] = {"spacetime": (2, 3, 4), "space": (3, 4), "time": (2,)}
_CHUNK_BYTES = 1 << 25  # of features that are read twice; what is larger leaves a processor's cache in between


class AveragePool(Pool):
    """The mean over spacetime, over space (a context for each frame) or over time (one for each place).

    Args:
        channels: C; the mean has no parameters.
        axes: what is averaged over.

    Shape:
        (N, C, T, H, W) to (N, 1, 1, 1, C), (N, T, 1, 1, C) or (N, 1, H, W, C); summed in float32 or better.

    Raises:
        ValueError: if ``axes`` is none of these.
    """

    def __init__(self, channels: int, axes: Axes = "spacetime") -> None:
        super().__init__()
        if axes not in _GATHERED:
            raise ValueError(f"axes is {axes!r}; expected one of {', '.join(_GATHERED)}")
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """Sums in float32, gives the dtype of x."""
        precise = torch.promote_types(x.dtype, torch.float32)
        return x.mean(_GATHERED[self.axes], keepdim=True, dtype=precise).to(x.dtype).movedim(1, -1)


class AttentionPool(Pool):
    """The sum of all positions, weighted by a softmax over a 1x1x1 convolution.

    Shape:
        (N, C, T, H, W) to (N, 1, 1, 1, C).

    Source:
        Cao et al., GCNet, equation 4. He initialisation of the convolution as in the official code. Its bias changes
        nothing under a softmax and is kept for the sake of the parameter counts.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mask = nn.Conv3d(channels, 1, kernel_size=1)
        nn.init.kaiming_normal_(self.mask.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """sum_j softmax(mask(x))_j x_j."""
        attention = self.attention(x).flatten(1)  # (N, S)
        return torch.bmm(attention.to(x.dtype)[:, None], _rows(x))[:, :, None, None]

    def attention(self, x: Tensor) -> Tensor:
        """The softmax weights of all positions: at least float32, (N, T, H, W), sum 1 for each clip."""
        logits: Tensor = self.mask(x).flatten(1)  # (N, S)
        precise = torch.promote_types(logits.dtype, torch.float32)
        return logits.to(precise).softmax(dim=1).view(x.shape[0], *x.shape[2:])

    def pass_through(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As ``forward``, in fewer passes over the features.

        The plain form is for compilers, which fuse it by themselves, and for hooks on the pool or the mask: these wait
        for a call.
        """
        if is_traced() or x.is_meta or any(map(_has_hooks, self.modules())):
            return x, self(x)
        passed, context = _AttentionPool.apply(x, self.mask.weight, self.mask.bias)
        return passed, context[:, None, None, None]


class _AttentionPool(torch.autograd.Function):
    """Features and their context (N, C); each pass over the features does all that it can.

    Forward reads them once: logits, running maximum and weighted sum go chunk by chunk. Backward reads them once and
    writes their gradient once. With p the weights, w the mask, g the gradient of the context and v = x g:
    dx = dy + p g + p (v - p.v) w; dw = sum_s p_s v_s x_s - (p.v) context.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        rows, query = _rows(x), weight.flatten().to(x.dtype)
        with without_autocast(x):
            attention, context = _attend(rows, query)
        ctx.save_for_backward(x, weight, attention, context)
        return x.view_as(x), context.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, passed: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        refuse_second_derivatives()
        x, weight, attention, context = ctx.saved_tensors
        g, query = wanted.to(x.dtype), weight.flatten().to(x.dtype)
        with without_autocast(x):  # which may be on still
            tilts, dw = _of_logits(_rows(x), attention, context, g)
            gradient = _of_features(x, passed, (attention, g), (tilts, query))
        return gradient, dw.to(weight.dtype).view_as(weight), weight.new_zeros(1)


def _attend(rows: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (N, S) and their sum of the rows (N, C), both at least float32."""
    n, s, c = rows.shape
    precise = torch.promote_types(rows.dtype, torch.float32)
    logits = rows.new_empty(n, s, dtype=precise)
    top = rows.new_full((n, 1), -torch.inf, dtype=precise)
    total, context = rows.new_zeros(n, 1, dtype=precise), rows.new_zeros(n, c, dtype=precise)
    queries = query.expand(n, c)[:, :, None]
    for part in _chunks(rows):
        here = torch.bmm(rows[:, part], queries).squeeze(2).to(precise)
        logits[:, part] = here
        higher = torch.maximum(top, here.amax(dim=1, keepdim=True))
        kept, new = (top - higher).exp(), (here - higher).exp()
        share = new.sum(dim=1, keepdim=True)
        weights = (new / share).to(rows.dtype)[:, None]  # sum 1, so that the mean lies within the rows: no overflow
        mean = torch.bmm(weights, rows[:, part]).squeeze(1)
        context = context * kept + share * mean
        total, top = total * kept + share, higher
    return (logits - top).exp() / total, context / total


def _of_logits(rows: Tensor, attention: Tensor, context: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of the logits, p (v - p.v): (N, S); and of the mask: (C)."""
    seen = torch.empty_like(attention)  # v of each position
    moment = torch.zeros_like(context)
    for part in _chunks(rows):
        seen[:, part] = torch.bmm(rows[:, part], g[:, :, None]).squeeze(2)
        share = (attention[:, part] * seen[:, part]).to(rows.dtype)
        moment += torch.bmm(share[:, None], rows[:, part]).squeeze(1)
    mean = (attention * seen).sum(dim=1, keepdim=True)
    return attention * (seen - mean), (moment - mean * context).sum(dim=0)


def _of_features(x: Tensor, passed: Tensor, *products: tuple[Tensor, Tensor]) -> Tensor:
    """The gradient that passed, plus products of a number for each position (N, S) and one for each channel."""
    is_last = x.is_contiguous(memory_format=torch.channels_last_3d)
    layout = torch.channels_last_3d if is_last else torch.contiguous_format  # its rows are a view in both
    gradient = torch.empty(x.shape, dtype=x.dtype, device=x.device, memory_format=layout)
    upstream, target = _rows(passed), _rows(gradient)
    (shares, g), (tilts, query) = ((each.to(x.dtype)[:, :, None], channels) for each, channels in products)
    for part in _chunks(target):
        torch.addcmul(upstream[:, part], shares[:, part], g[:, None], out=target[:, part])
        target[:, part].addcmul_(tilts[:, part], query)
    return gradient


def _has_hooks(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


def _rows(x: Tensor) -> Tensor:
    """(N, C, T, H, W) to (N, S, C), a view where the layout allows it."""
    return x.flatten(2).transpose(1, 2)


def _chunks(rows: Tensor) -> list[slice]:
    """Parts of the positions: small ones on a processor, all of them on a GPU."""
    n, s, c = rows.shape
    fitting = _CHUNK_BYTES // max(1, n * c * rows.element_size()) if rows.device.type == "cpu" else s
    step = max(64, fitting)
    return [slice(start, min(start + step, s)) for start in range(0, s, step)]
