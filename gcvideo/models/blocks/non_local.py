"""Non-local block (NL) in its four forms."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from gcvideo.models.block import Block
from gcvideo.models.blocks import pairwise as forms
from gcvideo.models.blocks.execution import without_autocast

Pairwise = Literal["embedded_gaussian", "gaussian", "dot_product", "concatenation"]
NonLocalAxes = Literal["spacetime", "space", "time"]
PAIRWISE = ("embedded_gaussian", "gaussian", "dot_product", "concatenation")


class NonLocal(Block):
    """z_i = x_i + norm(out(sum_j w_ij g(x_j))): every position looks at every other one.

    The scale of the last norm starts at zero, so a fresh block is the identity. Of the weights w nothing of size
    positions x positions is stored; ``reference`` has the textbook's form.

    Args:
        channels: C of the features.
        hidden_channels: d of theta, phi and g; half of C by default.
        pairwise: w_ij. embedded_gaussian: softmax_j(theta_i phi_j); gaussian: softmax_j(x_i x_j); dot_product:
            theta_i phi_j / M; concatenation: ReLU(w_f [theta_i, phi_j]) / M, for M keys.
        axes: which positions see each other: all of spacetime, those of a frame (space), or those of a place (time).
        subsample: window and stride (T, H, W) of a max pooling of the keys and values; (1, 2, 2) in the paper. False
            leaves it out. What does not fill a window at the end is dropped.
        subsample_where: before phi and g (the official code; cheaper) or after them (the paper's text, mmcv).
        use_scale: whether the softmax kinds divide by the square root of the width. None is the official choice: they
            do with embeddings, and do not without.
        group_frames: long clips are cut into groups of so many frames that see only themselves (4 in the official
            code).

    Shape:
        input and output: (N, C, T, H, W), any floating dtype; sums and softmax are taken in float32.

    Raises:
        ValueError: if an option is none of these or does not go with another one; in ``forward``, if the input has
            another shape, an axis without positions, or frames that do not fill the groups.

    Source:
        Wang et al., Non-local Neural Networks, https://arxiv.org/abs/1711.07971, equations 1 to 8, with the
        initialisation of video-nonlocal-net: weights N(0, 0.01), zero biases, the scale of the norm zero.
    """

    def __init__(
        self,
        channels: int,
        hidden_channels: int | None = None,
        pairwise: Pairwise = "embedded_gaussian",
        axes: NonLocalAxes = "spacetime",
        subsample: Literal[False] | tuple[int, int, int] = False,
        subsample_where: Literal["before", "after"] = "before",
        use_scale: bool | None = None,
        group_frames: int | None = None,
    ) -> None:
        super().__init__(channels)
        hidden = max(1, channels // 2) if hidden_channels is None else hidden_channels
        _check(hidden, pairwise, axes, subsample, subsample_where, use_scale, group_frames)
        self.pairwise, self.axes = pairwise, axes
        self.subsample_where, self.group_frames = subsample_where, group_frames
        is_scaled = pairwise == "embedded_gaussian" if use_scale is None else use_scale
        width = channels if pairwise == "gaussian" else hidden
        self.scale = width**-0.5 if is_scaled else 1.0
        if pairwise != "gaussian":
            self.theta, self.phi = (nn.Conv3d(channels, hidden, kernel_size=1) for _ in range(2))
        self.g = nn.Conv3d(channels, hidden, kernel_size=1)
        if pairwise == "concatenation":
            self.concat = nn.Linear(2 * hidden, 1, bias=False)
        self.pool = nn.MaxPool3d(subsample) if subsample else nn.Identity()
        self.out = nn.Conv3d(hidden, channels, kernel_size=1)
        self.norm = nn.BatchNorm3d(channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As in the official code."""
        for layer in self.children():
            if isinstance(layer, nn.Conv3d | nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The block, by the cheaper of the exact forms."""
        self._check_frames(x)
        queries, keys, values = self._embed(x)
        if self.pairwise == "concatenation":
            seen = forms.concatenation(*self._halves(queries, keys), values)
        elif self.pairwise == "dot_product":
            seen = forms.dot_product(queries, keys, values)
        else:
            seen = forms.softmax(queries, keys, values, self.scale)
        return self._finish(x, seen)

    def reference(self, x: Tensor) -> Tensor:
        """The block as the paper writes it, with all weights in memory."""
        self._check_frames(x)
        queries, keys, values = self._embed(x)
        return self._finish(x, torch.bmm(self._weights(queries, keys).to(values.dtype), values))

    def attention(self, x: Tensor, queries: Tensor | None = None) -> Tensor:
        """The weights w_ij for a recorder; the block's result does not change.

        Args:
            x: the block's input, (N, C, T, H, W).
            queries: int64, which positions of a group to give the weights of; None gives all, which may be large.

        Returns:
            float32 or better (B, Q, M): B is N times the number of groups of positions that see each other.
        """
        self._check_frames(x)
        asking, keys, _ = self._embed(x)
        return self._weights(asking if queries is None else asking[:, queries], keys)

    def _embed(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values as rows (B, positions, width)."""
        early = self.pool(x) if self.subsample_where == "before" else x
        gaussian = self.pairwise == "gaussian"
        queries, keys = (x, early) if gaussian else (self.theta(x), self.phi(early))
        values = self.g(early)
        if self.subsample_where == "after":
            keys, values = self.pool(keys), self.pool(values)
        values = values.to(keys.dtype) if gaussian else values
        return self._rows(queries.to(keys.dtype)), self._rows(keys), self._rows(values)

    def _rows(self, x: Tensor) -> Tensor:
        """(N, d, T, H, W) to (B, positions, d): positions of one row see each other."""
        if self.axes == "space":
            return x.permute(0, 2, 3, 4, 1).flatten(2, 3).flatten(0, 1)
        if self.axes == "time":
            return x.permute(0, 3, 4, 2, 1).flatten(0, 2)
        if self.group_frames is not None:
            n, c, t, h, w = x.shape
            x = x.view(n, c, t // self.group_frames, self.group_frames, h, w).transpose(1, 2).flatten(0, 1)
        return x.flatten(2).transpose(1, 2)

    def _unrows(self, rows: Tensor, x: Tensor) -> Tensor:
        """(B, positions, d) back to (N, d, T, H, W) of x."""
        n, _, t, h, w = x.shape
        if self.axes == "time":
            return rows.view(n, h, w, t, rows.shape[2]).permute(0, 4, 3, 1, 2)
        return rows.reshape(n, t, h, w, rows.shape[2]).permute(0, 4, 1, 2, 3)

    def _halves(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """w_f [theta_i, phi_j] = a_i + b_j: a (B, N) and b (B, M)."""
        left, right = self.concat.weight.to(queries.dtype).chunk(2, dim=1)  # (1, d) each
        return linear(queries, left)[:, :, 0], linear(keys, right)[:, :, 0]  # (torch.onnx 2.15 writes @ wrongly here)

    def _weights(self, queries: Tensor, keys: Tensor) -> Tensor:
        """All w_ij, (B, N, M), at least float32."""
        precise = torch.promote_types(queries.dtype, torch.float32)
        with without_autocast(queries):
            queries, keys = queries.to(precise), keys.to(precise)
            if self.pairwise == "concatenation":
                left, right = self._halves(queries, keys)
                return torch.relu(left[:, :, None] + right[:, None, :]) / keys.shape[1]
            if self.pairwise == "dot_product":
                return torch.bmm(queries, keys.transpose(1, 2)) / keys.shape[1]
            return forms.softmax_weights(queries, keys, self.scale)

    def _finish(self, x: Tensor, seen: Tensor) -> Tensor:
        seen = self._unrows(seen, x)
        seen = seen.contiguous() if x.is_contiguous() else seen  # a convolution keeps the layout it is given
        added: Tensor = self.norm(self.out(seen))
        return x + added.to(x.dtype)

    def _check_frames(self, x: Tensor) -> None:
        self._check_input(x)
        window: Any = getattr(self.pool, "kernel_size", (1, 1, 1))
        if any(size < step for size, step in zip(x.shape[2:], window, strict=True)):
            sizes = tuple(x.shape[2:])
            raise ValueError(f"features of {sizes} do not fill one window of subsample {window}; make it smaller")
        if self.group_frames is not None and x.shape[2] % self.group_frames:
            groups = f"groups of group_frames {self.group_frames}"
            raise ValueError(f"{x.shape[2]} frames do not fill {groups}; take a number that divides them")


def _check(
    hidden: int,
    pairwise: str,
    axes: str,
    subsample: Literal[False] | tuple[int, int, int],
    subsample_where: str,
    use_scale: bool | None,
    group_frames: int | None,
) -> None:
    """Refuses what is unknown, and what does not go together."""
    for name, value, known in (
        ("pairwise", pairwise, PAIRWISE),
        ("axes", axes, ("spacetime", "space", "time")),
        ("subsample_where", subsample_where, ("before", "after")),
    ):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; expected one of {', '.join(known)}")
    if hidden < 1:
        raise ValueError(f"hidden_channels is {hidden}; expected at least 1")
    window = subsample or (1, 1, 1)
    if not isinstance(window, tuple | list) or len(window) != 3 or min(window) < 1:
        raise ValueError(f"subsample is {subsample!r}; expected False or three sizes (T, H, W) such as (1, 2, 2)")
    if axes == "time" and tuple(window[1:]) != (1, 1):
        raise ValueError(f"subsample is {subsample!r} with axes 'time': each place needs its keys; take (kT, 1, 1)")
    if axes == "space" and window[0] != 1:
        raise ValueError(f"subsample is {subsample!r} with axes 'space': each frame needs its keys; take (1, kH, kW)")
    if use_scale and pairwise not in ("embedded_gaussian", "gaussian"):
        raise ValueError(f"use_scale is on with pairwise {pairwise!r}, which has no softmax; leave it out")
    if group_frames is not None and (group_frames < 1 or axes != "spacetime" or window[0] != 1):
        raise ValueError(f"group_frames is {group_frames}; at least 1, with axes 'spacetime' and subsample (1, kH, kW)")
