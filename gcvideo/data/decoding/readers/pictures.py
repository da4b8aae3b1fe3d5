"""Reads a folder of numbered pictures as a video."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from gcvideo.data.decoding.decode import DecodeError, Frames, first_line

SUFFIXES = frozenset(".bmp .jpeg .jpg .png .tif .tiff .webp".split())


def is_installed() -> bool:
    """Always: Pillow comes with torchvision."""
    return True


def list_pictures(folder: str | Path) -> list[Path]:
    """The pictures of a folder in the order of the last number in their names.

    Raises:
        DecodeError: if there is none, or two have the same number.
    """
    found = [p for p in Path(folder).iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    numbers = {path: _number(path) for path in found}
    if not found:
        raise DecodeError(f"no picture in it (expected {', '.join(sorted(SUFFIXES))})")
    if len(set(numbers.values())) < len(found):
        raise DecodeError("two pictures have the same number; expected names such as img_00001.jpg")
    return sorted(found, key=numbers.__getitem__)


def num_missing(files: list[Path]) -> int:
    """How many numbers between the first and the last are not there; 0 where they rise by another regular step."""
    numbers = np.array([_number(path) for path in files])
    steps = np.diff(numbers)
    return int((steps // steps.min() - 1).sum()) if len(steps) else 0


def read(path: str, wanted: NDArray[np.int64], way: str) -> Frames:
    """See ``data/decoding/decode.py``; a picture is a frame of its own, so both ways are the same."""
    pictures = list_pictures(path)
    if wanted[-1] >= len(pictures):
        raise DecodeError(f"ends before frame {wanted[-1]}; index the data again with: gcvideo index")
    frames = [open_picture(pictures[number]) for number in wanted.tolist()]
    sizes = {frame.shape for frame in frames}
    if len(sizes) > 1:
        raise DecodeError("its pictures have different sizes; make them equal")
    return np.stack(frames)


def open_picture(path: Path) -> Frames:
    """Upright RGB: ``uint8 (H, W, 3)``; of 16 bits the upper 8.

    Raises:
        DecodeError: if it cannot be opened, or its numbers have no range that would be known.
    """
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith("I;16"):
                grey = (np.asarray(upright) >> 8).astype(np.uint8)
                return np.repeat(grey[:, :, None], 3, axis=2)
            if upright.mode in ("I", "F"):
                raise DecodeError(f"{path.name}: 32 bits a pixel, whose range is not known; save it with 8 bits")
            return np.asarray(upright.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DecodeError(f"{path.name}: {first_line(error)}") from error


def _number(path: Path) -> int:
    numbers = re.findall(r"\d+", path.stem)
    if not numbers:
        raise DecodeError(f"{path.name} has no number in its name; expected names such as img_00001.jpg")
    return int(numbers[-1])
