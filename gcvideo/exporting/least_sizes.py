"""How small the clips of an exported file may be, found by asking it and its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gcvideo.exporting.checking import MOST, compare_on, random_clips
from gcvideo.exporting.formats import Run
from gcvideo.exporting.program import AXES, PixelsToProbabilities


def least_sizes(
    model: PixelsToProbabilities, run: Run, shape: tuple[int, ...], dynamic: tuple[str, ...]
) -> dict[str, int]:
    """The smallest number of frames, height and width at which a file still is its network.

    Halves the range below the traced size of each open axis, with the others as they were traced; then asks for the
    smallest of all at once, and keeps to the traced sizes if the two refuse those together, or differ there.

    Args:
        model: the network.
        run: the file.
        shape: of the clips that were traced, (N, 3, T, H, W).
        dynamic: axes that are open.

    Returns:
        Frames, and pixels, of each open axis but the batch; at most what was traced.
    """
    base = (1, *shape[1:])
    traced = {name: shape[axis] for axis, name in AXES.items() if name in dynamic and name != "batch"}
    least = {
        name: _least(most, lambda size, name=name: agree(model, run, of_sizes(base, {name: size})))  # type: ignore[misc]
        for name, most in traced.items()
    }
    return least if agree(model, run, of_sizes(base, least)) else traced


def check_bounds(model: PixelsToProbabilities, run: Run, shape: tuple[int, ...], least: Mapping[str, int]) -> None:
    """Whether a file answers nothing wrong just below its least sizes.

    Raises:
        RuntimeError: naming the size, if it does.
    """
    for name, size in least.items():
        below = of_sizes((1, *shape[1:]), {name: size - 1})
        if size > 1 and not _refuses(run, below) and not agree(model, run, below):
            raise RuntimeError(f"it answers clips with a {name} of {size - 1}, which its network does not")


def of_sizes(shape: tuple[int, ...], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape (N, 3, T, H, W) with these sizes in place of its own."""
    return tuple(sizes.get(AXES.get(axis, ""), size) for axis, size in enumerate(shape))


def agree(model: PixelsToProbabilities, run: Run, shape: tuple[int, ...]) -> bool:
    """Whether a network and its file take clips of this shape, and answer the same."""
    try:
        return compare_on(model, run, random_clips(shape)).difference <= MOST
    except Exception:  # the runtimes' are of many kinds
        return False


def _refuses(run: Run, shape: tuple[int, ...]) -> bool:
    try:
        run(random_clips(shape))
    except Exception:  # the runtimes' are of many kinds
        return True
    return False


def _least(most: int, is_right: Callable[[int], bool]) -> int:
    """The smallest size that is right, where all above one are; ``most`` is taken to be."""
    if is_right(1):
        return 1
    wrong, right = 1, most
    while right - wrong > 1:
        middle = (wrong + right) // 2
        wrong, right = (wrong, middle) if is_right(middle) else (middle, right)
    return right
