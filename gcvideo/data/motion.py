"""Renders the embedded data: one textured object on a textured background, and only its motion tells the class.

The eight classes come in pairs that are each other's time reversal. Position, size, shape, colour and texture
are drawn from the same distributions in every class, and the object wraps around the frame, so that no single
frame tells the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Difficulty = Literal["easy", "hard"]
Doubles = NDArray[np.float64]

PARTNERS = {"right": "left", "up": "down", "clockwise": "counter_clockwise", "grow": "shrink"}
CLASSES = tuple(name for pair in PARTNERS.items() for name in pair)
SHAPES = ("disc", "square", "diamond", "cross", "ring")

_DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}
_SIGNS = {"clockwise": 1, "counter_clockwise": -1, "grow": 1, "shrink": -1}
_SMALLEST_PX, _LARGEST_PX = 12.0, 28.0


@dataclass(frozen=True)
class MotionClip:
    """A rendered video.

    Attributes:
        frames: ``uint8 (T, H, W, 3)``, RGB.
        fps: frames per second.
        boxes: ``float32 (T, 4)``, x0, y0, x1, y1 in pixels; what lies outside the frame shows on its other side.
        shape: one of SHAPES.
    """

    frames: NDArray[np.uint8]
    fps: float
    boxes: NDArray[np.float32]
    shape: str


def render_motion(motion: str, generator: np.random.Generator, difficulty: Difficulty = "easy") -> MotionClip:
    """Renders one video of a class.

    Args:
        motion: one of CLASSES.
        generator: the source of everything random in it.
        difficulty: ``easy`` has a bright object on a dim background; ``hard`` has either polarity on strong texture.

    Raises:
        ValueError: if the class is unknown.
    """
    if motion not in CLASSES:
        raise ValueError(f"unknown motion {motion!r}; expected one of {', '.join(CLASSES)}")
    height, width = int(generator.choice([88, 96, 104])), int(generator.choice([104, 112, 120]))
    num_frames = int(generator.integers(28, 49))
    shape = str(generator.choice(SHAPES))
    centres, radii, angles = _trajectory(motion, num_frames, height, width, generator)
    background, foreground = _textures(height, width, generator, difficulty)
    frames = _draw(shape, centres, radii, angles, background, foreground)
    boxes = np.concatenate([centres - radii[:, None], centres + radii[:, None]], axis=1)
    return MotionClip(frames, float(generator.choice([20, 24, 25, 30])), boxes.astype(np.float32), shape)


def _trajectory(
    motion: str, num_frames: int, height: int, width: int, generator: np.random.Generator
) -> tuple[Doubles, Doubles, Doubles]:
    """Centres (T, 2) as x, y in pixels, inside the frame; radii (T,) in pixels; angles (T,) in radians."""
    time = np.arange(num_frames)
    centres = np.repeat(generator.uniform(0, (width, height))[None], num_frames, axis=0)
    size, angles = np.full(num_frames, generator.uniform()), np.full(num_frames, generator.uniform(0, 2 * np.pi))
    speed_px, period, orbit_px = generator.uniform(2.5, 4), generator.uniform(20, 28), generator.uniform(16, 24)
    if motion in _DIRECTIONS:
        centres = centres + speed_px * time[:, None] * np.array(_DIRECTIONS[motion])
    elif "clockwise" in motion:  # y points down, so a growing angle turns clockwise
        turn, start = _SIGNS[motion] * 2 * np.pi * time / period, generator.uniform(0, 2 * np.pi)
        centres = centres + orbit_px * np.stack([np.cos(start + turn), np.sin(start + turn)], axis=1)
        angles = angles + turn
    else:
        size = (size + _SIGNS[motion] * time / period) % 1
    return centres % (width, height), _SMALLEST_PX * (_LARGEST_PX / _SMALLEST_PX) ** size, angles


def _textures(
    height: int, width: int, generator: np.random.Generator, difficulty: Difficulty
) -> tuple[Doubles, Doubles]:
    """Background (H, W, 3) and object texture (32, 32, 3), 0-255."""
    dark = generator.uniform(20, 60, 3) + _noise(height, width, 6, generator) * 20
    halves = np.where(np.arange(32) < 16, -55, 15)[None, :, None]  # two tones, so that its angle can be seen
    bright = generator.uniform(160, 230, 3) + halves + _noise(32, 32, 4, generator) * 30
    if difficulty == "easy":
        return dark, bright
    strong = generator.uniform(90, 140, 3) + _noise(height, width, 5, generator) * 60
    offset = generator.choice([-1, 1]) * 75
    return strong, generator.uniform(100, 140, 3) + offset + halves / 2 + _noise(32, 32, 4, generator) * 30


def _noise(height: int, width: int, cell_px: int, generator: np.random.Generator) -> Doubles:
    """Smooth noise (H, W, 1) in about -1 to 1: a coarse grid, interpolated."""
    grid = generator.uniform(-1, 1, (height // cell_px + 2, width // cell_px + 2))
    y, x = np.arange(height) / cell_px, np.arange(width) / cell_px
    rows = _interpolate(grid, y)
    return _interpolate(rows.T, x).T[..., None]


def _interpolate(values: Doubles, at: Doubles) -> Doubles:
    low = at.astype(int)
    weight = (at - low)[:, None]
    result: Doubles = values[low] * (1 - weight) + values[low + 1] * weight
    return result


def _draw(
    shape: str, centres: Doubles, radii: Doubles, angles: Doubles, background: Doubles, foreground: Doubles
) -> NDArray[np.uint8]:
    height, width = background.shape[:2]
    across = _wrapped(np.arange(width) - centres[:, :1], width)[:, None, :] / radii[:, None, None]  # (T, 1, W)
    down = _wrapped(np.arange(height) - centres[:, 1:], height)[:, :, None] / radii[:, None, None]  # (T, H, 1)
    cosine, sine = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    x, y = across * cosine + down * sine, down * cosine - across * sine  # (T, H, W), turned with the object
    distance = _DISTANCES[shape](np.abs(x), np.abs(y))
    coverage = np.clip((1 - distance) * radii[:, None, None] + 0.5, 0, 1)[..., None]  # soft edge, one pixel wide
    rows, columns = (np.clip((axis + 1) * 15.5, 0, 31).astype(int) for axis in (y, x))
    blended = background * (1 - coverage) + foreground[rows, columns] * coverage
    frames: NDArray[np.uint8] = np.clip(blended + 0.5, 0, 255).astype(np.uint8)
    return frames


def _wrapped(offset: Doubles, period: int) -> Doubles:
    return (offset + period / 2) % period - period / 2


# Distance from the centre for each shape: 1 on its edge. The arguments are |x| and |y| in radii.
_DISTANCES = {
    "disc": lambda x, y: np.hypot(x, y),
    "square": lambda x, y: np.maximum(x, y) * 1.15,
    "diamond": lambda x, y: x + y,
    "cross": lambda x, y: np.maximum(np.minimum(x, y) * 2.6, np.maximum(x, y)),
    "ring": lambda x, y: np.maximum(np.hypot(x, y), 1 + 0.5 - np.hypot(x, y) * 1.25),
}
