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


def read(path: str, wanted: NDArray[np.int64], way: str) -> Frames:
    """See ``data/decoding/decode.py``; a picture is a frame of its own, so both ways are the same."""
    pictures = list_pictures(path)
    if wanted[-1] >= len(pictures):
        raise DecodeError(f"ends before frame {wanted[-1]}; index the data again with: gcvideo index")
    frames = [_open(pictures[number]) for number in wanted.tolist()]
    sizes = {frame.shape for frame in frames}
    if len(sizes) > 1:
        raise DecodeError("its pictures have different sizes; make them equal")
    return np.stack(frames)


def _open(path: Path) -> Frames:
    try:
        with Image.open(path) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DecodeError(f"{path.name}: {first_line(error)}") from error


def _number(path: Path) -> int:
    numbers = re.findall(r"\d+", path.stem)
    if not numbers:
        raise DecodeError(f"{path.name} has no number in its name; expected names such as img_00001.jpg")
    return int(numbers[-1])
