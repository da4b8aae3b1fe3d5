from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gcvideo.models.blocks.non_local_means import NonLocalMeans


def _brute_force(v: Tensor, sigma: float, h: float, f: int, r: int, t: int) -> Tensor:
    """Pixel by pixel, as the definition reads; (C, T, H, W)."""
    _, frames, height, width = v.shape

    def patch(k: int, y: int, x: int) -> Tensor:
        rows = [min(max(y + d, 0), height - 1) for d in range(-f, f + 1)]
        columns = [min(max(x + d, 0), width - 1) for d in range(-f, f + 1)]
        return v[:, k][:, rows][:, :, columns]

    result = torch.empty_like(v)
    for k in range(frames):
        for y in range(height):
            for x in range(width):
                weights, values = [], []
                for k2 in range(max(0, k - t), min(frames, k + t + 1)):
                    for y2 in range(max(0, y - r), min(height, y + r + 1)):
                        for x2 in range(max(0, x - r), min(width, x + r + 1)):
                            if (k2, y2, x2) != (k, y, x):
                                d2 = float((patch(k, y, x) - patch(k2, y2, x2)).square().mean())
                                weights.append(math.exp(-max(d2 - 2 * sigma**2, 0) / h**2))
                                values.append(v[:, k2, y2, x2])
                own = max(weights) or 1.0
                total = own * v[:, k, y, x] + sum(w * u for w, u in zip(weights, values, strict=True))
                result[:, k, y, x] = total / (own + sum(weights))
    return result


@pytest.mark.parametrize(("f", "r", "t"), [(1, 2, 1), (0, 1, 0), (2, 1, 2)])
def test_filter_equals_the_definition_pixel_by_pixel(f: int, r: int, t: int) -> None:
    clip = torch.rand(1, 3, 3, 5, 6, dtype=torch.float64)
    found = NonLocalMeans(0.2, 0.3, patch_radius=f, search_radius=r, frame_radius=t)(clip)
    torch.testing.assert_close(found[0], _brute_force(clip[0], 0.2, 0.3, f, r, t), rtol=1e-10, atol=1e-10)


def test_noise_goes_and_edges_stay() -> None:
    clean = torch.zeros(1, 1, 4, 24, 24)
    clean[..., 12:] = 1
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    filtered = NonLocalMeans(0.1)(noisy)
    errors = [float((clip - clean).square().mean()) for clip in (noisy, filtered)]
    assert errors[1] < 0.15 * errors[0]
    assert float((filtered[..., 12] - filtered[..., 11]).mean()) > 0.9


def test_clip_without_structure_stays_as_it_is() -> None:
    clip = torch.full((1, 3, 2, 6, 6), 0.4)
    torch.testing.assert_close(NonLocalMeans(0.1)(clip), clip)


@pytest.mark.parametrize("options", [{"sigma": 0.0}, {"sigma": 0.1, "h": -1.0}, {"sigma": 0.1, "search_radius": -1}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        NonLocalMeans(**options)  # type: ignore[arg-type]


def test_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(N, C, T, H, W\), got \(1, 3, 8, 8\)"):
        NonLocalMeans(0.1)(torch.zeros(1, 3, 8, 8))
