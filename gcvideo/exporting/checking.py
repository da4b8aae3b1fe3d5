"""Whether a file gives the probabilities of the network that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gcvideo.exporting.formats import Run
from gcvideo.exporting.program import PixelsToProbabilities

MOST = 1e-4  # of a probability; above, a file is not kept


@dataclass(frozen=True)
class Check:
    """A run of both on the same random pixels.

    Attributes:
        shape: of the clips, (N, 3, T, H, W).
        difference: the largest of a probability.
    """

    shape: tuple[int, ...]
    difference: float


def compare(model: PixelsToProbabilities, run: Run, shape: tuple[int, ...], dynamic: tuple[str, ...]) -> list[Check]:
    """Runs a file and its network on the sizes it was made for, and on others where they are open.

    Args:
        model: the network.
        run: the file.
        shape: of the clips that were traced.
        dynamic: axes that are open.

    Raises:
        RuntimeError: or another error of the runtime, if the file refuses sizes that the network takes.
    """
    checks = [compare_on(model, run, random_clips(shape))]
    if "batch" in dynamic:
        checks.append(compare_on(model, run, random_clips((1, *shape[1:]))))
    others = (other for other in _other_sizes(shape, dynamic) if _takes(model, other))
    return checks + [compare_on(model, run, random_clips(other)) for other in list(others)[:1]]


def compare_on(model: PixelsToProbabilities, run: Run, clips: Tensor) -> Check:
    """Runs both on these clips."""
    with torch.no_grad():
        wanted = model(clips)
    found = run(clips)
    is_same_kind = found.shape == wanted.shape and bool(found.isfinite().all())
    return Check(tuple(clips.shape), float((found - wanted).abs().max()) if is_same_kind else float("inf"))


def random_clips(shape: tuple[int, ...]) -> Tensor:
    """Uniform pixels, the same for each call; coarse squares, as noise averages out."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (*shape[:3], 8, 8), generator=generator, dtype=torch.uint8)
    rows, columns = (torch.arange(size) * 8 // size for size in shape[3:])
    return coarse[:, :, :, rows][..., columns].contiguous()


def bf16_difference(model: PixelsToProbabilities, shape: tuple[int, ...]) -> float:
    """How far the probabilities in mixed bfloat16, on a processor, lie from those in float32 at most."""
    clips = random_clips(shape)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        mixed = model(clips)
    with torch.no_grad():
        return float((mixed - model(clips)).abs().max())


def _other_sizes(shape: tuple[int, ...], dynamic: tuple[str, ...]) -> Iterator[tuple[int, ...]]:
    """Larger in each open axis of a clip; half as many frames more, or twice as many where groups of them are asked."""
    n, c, t, h, w = shape
    if not {"frames", "height", "width"} & set(dynamic):
        return
    taller, wider = h + 32 * ("height" in dynamic), w + 64 * ("width" in dynamic)
    for frames in (t + t // 2, 2 * t) if "frames" in dynamic else (t,):
        yield 1 if "batch" in dynamic else n, c, frames, taller, wider


def _takes(model: PixelsToProbabilities, shape: tuple[int, ...]) -> bool:
    try:
        with torch.no_grad():
            model(torch.zeros(shape, dtype=torch.uint8))
    except (ValueError, RuntimeError):
        return False
    return True
