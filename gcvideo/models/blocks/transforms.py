"""What happens to a context between pooling and fusion. All work on the last axis, (..., C)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

from gcvideo.models.blocks.context_block import Transform


class Identity(Transform):
    """Nothing; no parameters."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, context: Tensor) -> Tensor:
        """The context itself."""
        return context


class Diagonal(Transform):
    """A factor for each channel, 1 at birth; C parameters (SE-Var2 of ECA-Net, equation 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, context: Tensor) -> Tensor:
        """W * c."""
        return context * self.weight.to(context.dtype)


class Full(Transform):
    """One linear layer, C x C.

    Args:
        channels: C.
        bias: whether it has one.
        zero: whether it starts at zero, so that an addition of it is the identity; else He initialisation.
    """

    def __init__(self, channels: int, bias: bool = False, zero: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels, bias)
        _start(self.linear, zero=zero)

    def forward(self, context: Tensor) -> Tensor:
        """W c."""
        transformed: Tensor = self.linear(context)
        return transformed


class Grouped(Transform):
    """A block-diagonal linear layer without bias: ``groups`` blocks of C / groups; C x C / groups parameters.

    Raises:
        ValueError: if ``groups`` does not divide ``channels``.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        if groups < 1 or channels % groups:
            raise ValueError(f"groups is {groups}, which does not divide {channels} channels; take a divisor of them")
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(groups, channels // groups, channels // groups))
        for block in self.weight:
            nn.init.kaiming_normal_(block, mode="fan_in", nonlinearity="linear")

    def forward(self, context: Tensor) -> Tensor:
        """Each group by its own matrix."""
        grouped = context.reshape(*context.shape[:-1], self.groups, self.weight.shape[2])
        return torch.einsum("...gi,goi->...go", grouped, self.weight.to(context.dtype)).flatten(-2)


class SharedConv1d(Transform):
    """A 1D convolution over neighbouring channels, one kernel for all; k parameters (ECA-Net, equation 9).

    Raises:
        ValueError: if ``kernel`` is even (it would change the number of channels) or less than 1.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        _check_kernel(kernel)
        self.weight = nn.Parameter(torch.empty(1, 1, kernel))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)  # as nn.Conv1d starts

    def forward(self, context: Tensor) -> Tensor:
        """Zeros stand beyond the first and the last channel."""
        rows = context.reshape(-1, 1, context.shape[-1])
        return conv1d(rows, self.weight.to(context.dtype), padding=self.weight.shape[-1] // 2).view_as(context)


class PerChannelConv1d(Transform):
    """As ``SharedConv1d``, with a kernel for each channel; k C parameters (ECA-NS, equation 7).

    Raises:
        ValueError: if ``kernel`` is even or less than 1.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        _check_kernel(kernel)
        self.weight = nn.Parameter(torch.empty(channels, kernel))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, context: Tensor) -> Tensor:
        """Zeros stand beyond the first and the last channel."""
        kernel = self.weight.shape[1]
        neighbours = pad(context, (kernel // 2, kernel // 2)).unfold(-1, kernel, 1)  # (..., C, k)
        return (neighbours * self.weight.to(context.dtype)).sum(dim=-1)


class Bottleneck(Transform):
    """Two linear layers with a narrow middle: C to C x ratio and back.

    Args:
        channels: C.
        ratio: hidden channels as a share of C.
        norm: whether a layer norm follows the first layer (GC), which makes the two layers trainable.
        relu: whether a ReLU stands in the middle.
        zero: whether the last layer starts at zero, so that an addition of it is the identity.

    Raises:
        ValueError: if ``ratio`` is not a share between 0 and 1, or leaves fewer than 2 hidden channels (the layer norm
            of a single channel is always zero).
    """

    def __init__(
        self, channels: int, ratio: float = 1 / 4, norm: bool = True, relu: bool = True, zero: bool = True
    ) -> None:
        super().__init__()
        if not 0 < ratio < 1:
            example = f"1/{ratio:g} = {1 / ratio:g}" if ratio > 1 else "0.25 for a quarter"
            raise ValueError(f"ratio is {ratio}; expected a share between 0 and 1, such as {example}")
        hidden = int(channels * ratio)
        if hidden < 2:
            least = math.ceil(2e4 / channels) / 1e4  # rounded up, so that what is read here is enough
            left = f"ratio {ratio} of {channels} channels leaves {hidden} hidden ones; at least 2 are needed"
            raise ValueError(f"{left}: take a ratio of {least:g} or more, or more channels")
        self.down = nn.Linear(channels, hidden)
        self.norm = nn.LayerNorm(hidden) if norm else nn.Identity()
        self.relu = nn.ReLU() if relu else nn.Identity()
        self.up = nn.Linear(hidden, channels)
        _start(self.up, zero=zero)

    def forward(self, context: Tensor) -> Tensor:
        """W2 ReLU(LN(W1 c))."""
        transformed: Tensor = self.up(self.relu(self.norm(self.down(context))))
        return transformed


class Branches(Transform):
    """Two transforms of one context side by side, (..., 2 C): the gate, then what is added."""

    def __init__(self, channels: int, gate: Callable[[int], Transform], add: Callable[[int], Transform]) -> None:
        super().__init__()
        self.gate, self.add = gate(channels), add(channels)

    def forward(self, context: Tensor) -> Tensor:
        """Both, one after the other."""
        return torch.cat([self.gate(context), self.add(context)], dim=-1)


def _check_kernel(kernel: int) -> None:
    if not isinstance(kernel, int) or kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel is {kernel!r}; expected an odd number, as an even one changes the number of channels")


def _start(linear: nn.Linear, *, zero: bool) -> None:
    if zero:
        nn.init.zeros_(linear.weight)
    else:
        nn.init.kaiming_normal_(linear.weight, mode="fan_in", nonlinearity="relu")
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
