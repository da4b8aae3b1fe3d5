"""How a video becomes what a network sees outside of training; kept in every checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gcvideo.data.clips import ClipSpec, Sampling, Short
from gcvideo.data.transforms import EvalTransform


@dataclass(frozen=True)
class Views:
    """What of each video is looked at.

    Attributes:
        num_clips: clips a video, at regular places; a single one in the middle.
        num_crops: crops a clip, along the long side at equal distances; a single one in the centre.
        crop_px: side of a crop.
    """

    num_clips: int
    num_crops: int
    crop_px: int

    @property
    def count(self) -> int:
        """Views a video."""
        return self.num_clips * self.num_crops

    def __str__(self) -> str:
        return f"{self.num_clips} x {self.num_crops}"


@dataclass(frozen=True)
class Preprocessing:
    """The part of the data's options that a network was trained for; their meaning: ``VideoDataModule``.

    Attributes:
        num_frames: frames in a clip.
        frame_stride: video frames from one clip frame to the next.
        target_fps: frames per second that all videos are brought to first; None takes their frames as they come.
        sampling: dense or segments.
        short: what becomes of a video that is shorter than a clip: loop or hold.
        short_side_px: the short side is resized to this.
        val_views: those of the validation.
        test_views: those of the test.
    """

    num_frames: int
    frame_stride: int
    target_fps: float | None
    sampling: Sampling
    short: Short
    short_side_px: int
    val_views: Views
    test_views: Views

    def clip_spec(self, num_clips: int) -> ClipSpec:
        """Which clips are taken, ``num_clips`` of each video."""
        return ClipSpec(self.num_frames, self.frame_stride, num_clips, self.target_fps, self.sampling, self.short)

    def transform(self, views: Views) -> EvalTransform:
        """What makes the views of a clip."""
        return EvalTransform(self.short_side_px, views.crop_px, views.num_crops)

    def describe(self, views: Views) -> str:
        """In words, for a table or a file."""
        return (
            f"{views} views a video (clips x crops), {self.num_frames} frames x stride "
            f"{self.frame_stride}, {views.crop_px} px crop of short side {self.short_side_px}"
        )


def other_clips(learned: Mapping[str, Any] | None, now: Preprocessing) -> str:
    """A line where clips are taken otherwise than those that a network was validated on; empty where they are not.

    Args:
        learned: of a checkpoint, ``asdict`` of its preprocessing; None where it does not say.
        now: what is asked for.
    """
    names = ("num_frames", "frame_stride", "target_fps", "sampling", "short", "short_side_px")
    before, here = learned or {}, asdict(now)
    changes = [(name, before.get(name), here[name]) for name in names]
    changes.append(("crop_px", before.get("val_views", {}).get("crop_px"), now.val_views.crop_px))
    told = ", ".join(f"{name} {then}, here {value}" for name, then, value in changes if then != value)
    return f"the checkpoint was trained on other clips: {told} (data.*)" if told and learned is not None else ""
