"""What stands beside an exported file: all that is needed to prepare a video for it and to read its answer."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from gcvideo import __version__
from gcvideo.exporting.checking import Check
from gcvideo.exporting.formats import INPUT, OUTPUT, FileFormat
from gcvideo.exporting.program import AXES
from gcvideo.predicting.saved_model import SavedModel


def origin(saved: SavedModel) -> dict[str, Any]:
    """Which checkpoint a file was made of."""
    with saved.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": saved.path.name, "sha256": digest, "step": saved.step, "epoch": saved.epoch}


def description(
    saved: SavedModel, kind: FileFormat, shape: tuple[int, ...], dynamic: tuple[str, ...], least: Mapping[str, int]
) -> dict[str, Any]:
    """What is known of a file, as JSON.

    Args:
        saved: the model.
        kind: of file.
        shape: of the clips it was traced with.
        dynamic: its open axes.
        least: the smallest size of each of them but the batch.
    """
    network = saved.network
    sizes = {axis: name if name in dynamic else shape[axis] for axis, name in AXES.items()}
    return {
        "format": kind.name,
        "input": {
            "name": INPUT,
            "dtype": "uint8",
            "axes": ["clips", "colours (red, green, blue)", "frames", "height", "width"],
            "shape": [sizes.get(axis, shape[axis]) for axis in range(len(shape))],
            "trained_shape": [1, *shape[1:]],
            "dynamic": list(dynamic),
            "least": dict(least),
            "range": "0 to 255, as a decoder gives them",
        },
        "normalisation": {
            "where": "inside: (pixel / 255 - mean) / std",
            "mean": [round(float(value), 6) for value in network.mean],
            "std": [round(float(value), 6) for value in network.std],
        },
        "output": {
            "name": OUTPUT,
            "dtype": "float32",
            "shape": [sizes[0], len(saved.classes)],
            "meaning": "a probability for each class, in the order of classes; the softmax is inside",
        },
        "classes": list(saved.classes),
        "preprocessing": asdict(saved.preprocessing),
        "steps": steps(saved),
        "checkpoint": origin(saved),
        "versions": {"gcvideo": __version__, "torch": torch.__version__}
        | {package: version(package) for package in kind.packages},
    }


def findings(saved: SavedModel, checks: list[Check], bf16: float | None) -> dict[str, Any]:
    """What the check of the file found."""
    compared = [{"clips": list(check.shape), "largest_difference": check.difference} for check in checks]
    mixed = {} if bf16 is None else {"largest_difference_of_bf16": bf16}
    return {"checks": compared, "precision": {"trained": saved.precision, "exported": "float32", **mixed}}


def steps(saved: SavedModel) -> list[str]:
    """From a video to clips, in words precise enough to do it anew."""
    how = saved.preprocessing
    side = how.val_views.crop_px
    return [
        "Decode the first video stream; frames are counted from 0 in the order they are shown; convert each to RGB as "
        "ffmpeg's command line does (matrix, range and rotation of the stream are respected). The script beside this "
        "file decodes with PyAV and stops at a damaged packet, which gcvideo passes over; where gcvideo decodes with "
        "decord, the colours of 10 bit and of odd sizes differ, by up to 13 of 255 where it was measured.",
        _choice(saved),
        f"Resize the frames to a short side of {how.short_side_px} pixels, the long side is "
        f"int({how.short_side_px} * long / short): bilinear with antialiasing (a triangle filter, as wide as the scale "
        "where the picture shrinks), on uint8, width first, then height, rounded in between, as torchvision does on a "
        "processor with AVX2; Pillow's BILINEAR is within 1 level of it.",
        f"Cut out {side} x {side} pixels in the middle: the first row is round((height - {side}) / 2) and the first "
        f"column round((width - {side}) / 2), halves to the even number.",
        "Arrange as clips, colours, frames, height, width; leave the pixels as they are, 0 to 255.",
    ]


def _choice(saved: SavedModel) -> str:
    how = saved.preprocessing
    frames = how.num_frames
    if how.sampling == "segments":
        return f"Of n frames take those of the numbers int((i + 0.5) * n / {frames}), i = 0 to {frames - 1}."
    loops = how.short == "loop"
    if how.target_fps is None:
        span, end = (frames - 1) * how.frame_stride + 1, "number modulo n" if loops else "number n - 1"
        return (
            f"Of n frames take those of the numbers start + {how.frame_stride} * i, i = 0 to {frames - 1}, with start "
            f"= max(0, n - {span}) // 2; beyond the last frame the frame of the {end} stands for it."
        )
    step = f"{how.frame_stride} / {how.target_fps:g} s"
    end = "the moment modulo the duration" if loops else "the last frame"
    return (
        f"Take the frames that are shown at the moments start + i * {step}, i = 0 to {frames - 1}, with start = "
        f"max(0, time of the last frame - {frames - 1} * {step}) / 2; times begin at 0 with the first frame; where "
        "number / rate never strays from them by half a frame, it stands for them. The duration is the time of the "
        f"last frame + 1 / rate; beyond it comes {end}."
    )


def write(path: Path, content: dict[str, Any]) -> None:
    """As JSON, in UTF-8."""
    path.write_text(as_json(content, indent=2) + "\n", encoding="utf-8")


def as_json(content: Any, indent: int | None = None) -> str:
    r"""As JSON that UTF-8 can hold: bytes of a name that are no text are written out, as in the tables: ``\udce9``."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    return re.sub("[\ud800-\udfff]", lambda found: rf"\\u{ord(found[0]):x}", text)
