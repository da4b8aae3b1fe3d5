"""What crosses the rooms: a video, a sample, a batch. Imports nothing of the package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

NO_VIDEO = -1  # the video index of an item that only fills a batch
_LEAST = {"label": 0, "start": 0, "first_frame": 0, "num_frames": 1, "fps": 0, "width": 1, "height": 1, "num_bytes": 0}


@dataclass(frozen=True)
class VideoRecord:
    """One labelled video that was opened and counted.

    Attributes:
        path: where the file is, absolute or relative to the working folder.
        label: class number, 0-based, into the class list of the manifest.
        split: ``train``, ``val`` or ``test``; a folder without splits is all ``train``.
        start: seconds from the first shown frame of the file to the beginning of the labelled part.
        end: seconds to its end; the file's duration where all of it is meant.
        first_frame: number of the labelled part's first frame in the file, 0-based.
        num_frames: frames of the labelled part that really decode, not what the header promises.
        fps: average frames per second, of the decodable frames.
        is_vfr: whether the time from frame to frame varies; then frames are chosen by their real time stamps.
        width: pixels, upright (after the rotation flag).
        height: pixels, upright (after the rotation flag).
        pixel_aspect: width of a pixel to its height, as stored; it is recorded and ignored.
        codec: FFmpeg's name of the video codec, such as ``h264``.
        duration: seconds from the first shown frame to the end of the last.
        readers: the decoders that give the right frames and how, as measured, the best first, such as
            ``decord:seek pyav:forward``.
        damage: empty, or what is wrong with the file though it decodes.
        num_bytes: file size, to see that a file has changed; 0 where it is not known.
        modified_ns: modification time, to see that a file has changed.

    Raises:
        ValueError: if a number is one that no video has.
    """

    path: str
    label: int
    split: str
    start: float
    end: float
    first_frame: int
    num_frames: int
    fps: float
    is_vfr: bool
    width: int
    height: int
    pixel_aspect: float
    codec: str
    duration: float
    readers: str
    damage: str
    num_bytes: int
    modified_ns: int

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least {least}")
        if not self.end >= self.start:
            raise ValueError(f"end is {self.end}, before start {self.start}")


@dataclass(frozen=True)
class Sample:
    """What a dataset gives for one key: clips of a video in training, one clip with its crops in evaluation.

    Attributes:
        clips: ``uint8 (V, C, T, H, W)``, 0-255.
        label: class number.
        video_index: position of the video in its split; ``NO_VIDEO`` for an item that only fills a batch.
        view_indices: ``int64 (V,)``, which of the video's views these are.
        failure: empty, or why the video could not be read.
        is_valid: False where the clips are black because it could not be read, or because there is none; True for
            clips of a substitute.
        fallback: empty, or which decoder failed and which one stood in.
    """

    clips: Tensor
    label: int
    video_index: int
    view_indices: Tensor
    failure: str = ""
    is_valid: bool = True
    fallback: str = ""


@dataclass(frozen=True)
class Batch:
    """B samples with V views each, on their way to the network.

    Attributes:
        clips: ``uint8 (B, V, C, T, H, W)``, 0-255.
        labels: ``int64 (B,)``.
        video_indices: ``int64 (B,)``.
        view_indices: ``int64 (B, V)``.
        valid: ``bool (B, V)``; False where the video could not be read and none stands in for it, or there is none.
        failures: one line for each sample whose video could not be read.
        fallbacks: one line for each video of which a decoder failed and another stood in.

    Raises:
        ValueError: if the shapes do not belong together; the message shows them.
    """

    clips: Tensor
    labels: Tensor
    video_indices: Tensor
    view_indices: Tensor
    valid: Tensor
    failures: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = tuple(self.clips.shape)
        if len(shape) != 6 or shape[2] != 3:
            raise ValueError(f"expected clips (B, V, 3, T, H, W), got {shape}")
        found = {
            name: tuple(getattr(self, name).shape) for name in ("labels", "video_indices", "view_indices", "valid")
        }
        expected = {"labels": shape[:1], "video_indices": shape[:1], "view_indices": shape[:2], "valid": shape[:2]}
        if found != expected:
            raise ValueError(f"expected {expected} for clips {shape}, got {found}")

    @classmethod
    def collate(cls, samples: Sequence[Sample]) -> Batch:
        """Stacks samples of equal shape."""
        view_indices = torch.stack([sample.view_indices for sample in samples])
        readable = torch.tensor([sample.is_valid for sample in samples])
        return cls(
            clips=torch.stack([sample.clips for sample in samples]),
            labels=torch.tensor([sample.label for sample in samples]),
            video_indices=torch.tensor([sample.video_index for sample in samples]),
            view_indices=view_indices,
            valid=readable[:, None].expand_as(view_indices).contiguous(),
            failures=tuple(sample.failure for sample in samples if sample.failure),
            fallbacks=tuple(sample.fallback for sample in samples if sample.fallback),
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch on another device (Lightning calls this)."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory (the loader calls this)."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(
            function(self.clips),
            function(self.labels),
            function(self.video_indices),
            function(self.view_indices),
            function(self.valid),
            self.failures,
            self.fallbacks,
        )

    def __len__(self) -> int:
        return self.clips.shape[0]


@dataclass(frozen=True)
class ExpectedViews:
    """What is to be scored: of each video of a split the same number of views.

    Attributes:
        names: of the videos, in the order of the split.
        num_views: of each.
    """

    names: tuple[str, ...]
    num_views: int


@dataclass(frozen=True)
class Evaluation:
    """The scores of a split, one row a video: its views averaged, each counted once.

    Attributes:
        video_indices: ``int64 (M,)``, rising; positions in the split.
        labels: ``int64 (M,)``.
        probabilities: ``float32 (M, K)``, averaged over the views of a video, rows sum to 1.
        num_views: R, views that have a score.
        clip_top1: share of them whose best class is the true one, 0 to 1.
        clip_top5: share of them that have it among their five best, 0 to 1.
        loss: mean cross-entropy over the views.
        failures: one line for each video of which no view could be read and that has no row.
        incomplete: one line for each video that lacks views, by position: it has its row from the others, or, where
            not one has arrived and none is known to have failed, it has no row.
        views: ``int64 (M,)``, of each video how many views have a score.
    """

    video_indices: Tensor
    labels: Tensor
    probabilities: Tensor
    num_views: int
    clip_top1: float
    clip_top5: float
    loss: float
    failures: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    views: Tensor = field(kw_only=True)
