"""A network that predicts, in Python: ``gcvideo.load``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gcvideo.errors import InputError
from gcvideo.predicting.remarks import without_remarks

with without_remarks():  # of what these import
    from gcvideo.data.clips import Timeline
    from gcvideo.data.preprocessing import Preprocessing
    from gcvideo.models.network import Network
    from gcvideo.predicting.devices import make_fabric, split_device
    from gcvideo.predicting.frames import score_frames
    from gcvideo.predicting.predict import predict_files
    from gcvideo.predicting.prediction import Prediction, check_top, named
    from gcvideo.predicting.saved_model import SavedModel, load_model
    from gcvideo.predicting.scoring import Scoring
    from gcvideo.predicting.views import parse_views

Frames = Tensor | NDArray[np.uint8]
Video = str | Path | Frames
_KINDS = (str, Path, Tensor, np.ndarray)


def load(path: str | Path, device: str = "auto", precision: str | None = None) -> Predictor:
    """Loads a checkpoint that ``gcvideo fit`` left, ready to predict.

    Three lines::

        import gcvideo
        model = gcvideo.load("best.ckpt")
        print(model.predict("video.mp4"))

    Args:
        path: of the checkpoint. Nothing that stands in it is run.
        device: auto (a GPU where there is one), cpu, cuda, cuda:1 or mps.
        precision: 32-true, bf16-mixed or 16-mixed; None is that of the training, with which it was validated.

    Raises:
        InputError: if the checkpoint is none, or the device or precision is not there.
    """
    return Predictor(load_model(path), device, precision)


class Predictor:
    """A network with all that it needs to predict; ``load`` makes one.

    Args:
        saved: what a checkpoint holds.
        device: see ``load``.
        precision: see ``load``.

    Raises:
        InputError: if the device or precision is not there.
    """

    def __init__(self, saved: SavedModel, device: str = "auto", precision: str | None = None) -> None:
        self._saved = saved
        with without_remarks():
            self._fabric = make_fabric(*split_device(device), precision or saved.precision)
        self._fabric.to_device(saved.network)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; the position is the class number."""
        return self._saved.classes

    @property
    def network(self) -> Network:
        """In evaluation mode, on its device: (N, 3, T, H, W), uint8 0-255 or floating 0-1, to logits (N, K)."""
        return self._saved.network

    @property
    def preprocessing(self) -> Preprocessing:
        """How videos come before the network."""
        return self._saved.preprocessing

    @overload  # a str is a sequence of str, too
    def predict(  # type: ignore[overload-overlap]
        self, video: Video, top: int = ..., views: str | None = ..., *, fps: float = ...
    ) -> Prediction: ...

    @overload
    def predict(
        self, video: Sequence[Video], top: int = ..., views: str | None = ..., *, fps: float = ...
    ) -> list[Prediction]: ...

    def predict(
        self, video: Video | Sequence[Video], top: int = 5, views: str | None = None, *, fps: float = 0.0
    ) -> Prediction | list[Prediction]:
        """The classes of a video, or of several, as ``gcvideo predict`` and the validation give them.

        Args:
            video: a file, or frames ``uint8 (T, H, W, 3)``, RGB 0-255, upright, as a tensor or an array; or a list of
                these. Processes look at the files of a call, so one call with a list is faster than one for each file.
            top: how many of the best classes are named.
            views: clips x crops, such as ``10x3``; None is what the validation looks at.
            fps: frames per second of frames; needed where the network was trained at a rate (``target_fps``).

        Raises:
            InputError: if a file cannot be read, the frames are of another shape or type, or a value is out of its
                range; in a list the first such file ends all.
        """
        check_top(top)
        videos = _listed(video)
        paths = [Path(video) for video in videos if isinstance(video, str | Path)]
        of_files = iter(self._predict_files(list(dict.fromkeys(paths)), paths, top, views))
        found = [
            next(of_files) if isinstance(each, str | Path) else self._predict_frames(each, fps, top, views)
            for each in videos
        ]
        return found[0] if isinstance(video, _KINDS) else found

    def _predict_files(self, files: list[Path], order: list[Path], top: int, views: str | None) -> list[Prediction]:
        scoring = Scoring(parse_views(views, self.preprocessing), reading=self._saved.reading)
        outcomes = predict_files(self._saved, [path.expanduser() for path in files], scoring, self._fabric, top=top)
        if not outcomes.is_whole:
            raise KeyboardInterrupt
        for failed in outcomes.failed:
            raise InputError(f"{failed.path}: {failed.reason}")
        found = dict(zip(files, outcomes.done, strict=True))
        return [found[path] for path in order]

    def _predict_frames(self, frames: Frames, fps: float, top: int, views: str | None) -> Prediction:
        pixels = _pixels(frames)
        if self.preprocessing.target_fps and not fps > 0:
            raise InputError(
                f"the network was trained at {self.preprocessing.target_fps:g} frames per second; say that of the "
                "frames: predict(frames, fps=25)"
            )
        timeline = Timeline(len(pixels), fps)
        probabilities = score_frames(
            self._saved, timeline, pixels.__getitem__, parse_views(views, self.preprocessing), self._fabric
        )
        return named(probabilities, self.classes, top, end=len(pixels) / fps if fps else 0.0)


def _listed(videos: Video | Sequence[Video]) -> list[Video]:
    is_list = isinstance(videos, Iterable) and not isinstance(videos, _KINDS)
    listed = list(cast("Sequence[Video]", videos)) if is_list else [cast("Video", videos)]
    for each in listed:
        if not isinstance(each, _KINDS):
            kind = type(each).__name__
            raise InputError(f"expected a file (str or Path), frames (tensor or array) or a list of them, got a {kind}")
    return listed


def _pixels(frames: Frames) -> NDArray[np.uint8]:
    if frames.dtype not in (torch.uint8, np.uint8) or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        shape = tuple(frames.shape)
        raise InputError(f"expected frames uint8 (T, H, W, 3) with at least one frame, got {frames.dtype} {shape}")
    return frames.numpy(force=True) if isinstance(frames, Tensor) else frames
