"""The non-local means filter over space and time: the non-local block's ancestor."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, pad


class NonLocalMeans(nn.Module):
    """Denoises a clip: each pixel becomes the mean of those around it whose patches look alike.

    NL[v](i) = sum_j w_ij v(j) / Z_i with w_ij = exp(-max(d2_ij - 2 sigma^2, 0) / h^2). d2_ij is the mean of the squared
    differences over all 3 (2 f + 1)^2 values of the two patches, which is why 2 sigma^2, the mean for equal patches
    with noise, is taken off. A patch has the weight of the best of the others on itself. Patches are flat, and repeat
    the border beyond it; the search window extends over time.

    Args:
        sigma: standard deviation of the noise, in the units of the clip.
        h: how fast weights fall; 0.6 sigma by default.
        patch_radius: f; patches are (2 f + 1)^2 pixels.
        search_radius: the search window is (2 r + 1)^2 pixels ...
        frame_radius: ... of (2 t + 1) frames. Pixels beyond the borders do not take part.

    Shape:
        input and output: (N, C, T, H, W), floating.

    Raises:
        ValueError: if sigma or h is not above 0, a radius is negative, or the input has another number of dimensions.

    Source:
        Buades et al., A non-local algorithm for image denoising, CVPR 2005, with uniform weights in the patch.
    """

    def __init__(
        self,
        sigma: float,
        h: float | None = None,
        patch_radius: int = 1,
        search_radius: int = 5,
        frame_radius: int = 1,
    ) -> None:
        super().__init__()
        self.sigma, self.h = sigma, 0.6 * sigma if h is None else h
        if min(self.sigma, self.h) <= 0:
            raise ValueError(f"sigma is {sigma} and h {self.h}; expected numbers above 0")
        if min(patch_radius, search_radius, frame_radius) < 0:
            raise ValueError(f"the radii are {patch_radius}, {search_radius}, {frame_radius}; expected 0 or more")
        self.patch_radius, self.search_radius, self.frame_radius = patch_radius, search_radius, frame_radius

    def forward(self, clips: Tensor) -> Tensor:
        """One pass for each shift of the window; nothing of size pixels x window is stored."""
        if clips.ndim != 5:
            raise ValueError(f"expected (N, C, T, H, W), got {tuple(clips.shape)}; x[None] is a batch of one clip")
        total = torch.zeros_like(clips)
        weights = torch.zeros_like(clips[:, :1])
        best = torch.zeros_like(weights)
        inside, radius = torch.ones_like(weights), self.patch_radius
        framed = pad(clips, (*(radius,) * 4, 0, 0), mode="replicate")  # patches at the border
        for shift in self._shifts():
            weight = self._weight(framed, _shifted(framed, shift)) * _shifted(inside, shift)
            total += weight * _shifted(clips, shift)
            weights += weight
            best = torch.maximum(best, weight)
        best = torch.where(best > 0, best, 1.0)  # a pixel that is like no other one stays as it is
        return (total + best * clips) / (weights + best)

    def _shifts(self) -> list[tuple[int, int, int]]:
        """Every place of the window but its centre."""
        times = range(-self.frame_radius, self.frame_radius + 1)
        places = range(-self.search_radius, self.search_radius + 1)
        return [(t, y, x) for t in times for y in places for x in places if (t, y, x) != (0, 0, 0)]

    def _weight(self, framed: Tensor, moved: Tensor) -> Tensor:
        side = 2 * self.patch_radius + 1
        distance = avg_pool3d((framed - moved).square().mean(dim=1, keepdim=True), (1, side, side), stride=1)
        return (-(distance - 2 * self.sigma**2).clamp(min=0) / self.h**2).exp()


def _shifted(clips: Tensor, shift: tuple[int, int, int]) -> Tensor:
    """The clip moved by so many frames and pixels, zeros where nothing comes from."""
    result = torch.zeros_like(clips)
    here, there = [slice(None)] * 2, [slice(None)] * 2
    for size, step in zip(clips.shape[2:], shift, strict=True):
        here.append(slice(max(0, -step), max(0, size - max(0, step))))
        there.append(slice(max(0, step), max(0, size + min(0, step))))
    result[tuple(here)] = clips[tuple(there)]
    return result
