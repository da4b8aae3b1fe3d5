"""What is refused, and what is said, before a network sees the first clip."""

from __future__ import annotations

import difflib
from itertools import zip_longest
from typing import TYPE_CHECKING

from gcvideo.data.decoding.reading import why_not
from gcvideo.errors import InputError
from gcvideo.records import VideoRecord

if TYPE_CHECKING:
    from lightning import Trainer

    from gcvideo.data.datamodule import VideoDataModule

SMALLEST_CROP_PX = 32  # below 17 px, bfloat16 convolutions of torch 2.15 on a processor corrupt memory


def check_sizes(data: VideoDataModule) -> None:
    """Refuses numbers that cannot work, before any video is opened.

    Raises:
        InputError: naming the option and its value.
    """
    for name in ("num_frames", "frame_stride", "batch_size", "num_test_clips", "num_test_crops", "clips_per_video"):
        if getattr(data, name) < 1:
            raise InputError(f"data.{name} is {getattr(data, name)}; expected at least 1")
    if data.target_fps is not None and not 0 < data.target_fps < 1000:
        raise InputError(f"data.target_fps is {data.target_fps}; expected frames per second above 0, or null")
    if data.num_workers < 0:
        raise InputError(f"data.num_workers is {data.num_workers}; expected 0 or more")
    for name in ("crop_px", "test_crop_px"):
        crop = getattr(data, name)
        if crop < SMALLEST_CROP_PX:
            raise InputError(f"data.{name} is {crop}; expected at least {SMALLEST_CROP_PX}: it is halved five times")
        if crop > data.short_side_px:
            raise InputError(f"data.{name} {crop} is larger than data.short_side_px {data.short_side_px}; lower it")


def check_training(
    classes: tuple[str, ...], records: list[VideoRecord], held_out: int, batch_size: int, trainer: Trainer | None
) -> None:
    """Refuses videos that no training is possible with.

    Raises:
        InputError: if there is a single class, no video, or not enough of them to fill a batch.
    """
    if not records:
        raise InputError("no training videos: put a folder per class into train/, or label videos of a list as train")
    if len(classes) < 2:
        raise InputError(f"only one class, {classes[0]!r}: there is nothing to tell apart; add another one")
    videos, devices = len(records), trainer.world_size if trainer else 1
    if videos < batch_size * devices:
        rest = f" ({held_out} more are held out, see --data.holdout)" if held_out else ""
        most, fewer = videos // devices, f"take at most {videos} of them (--trainer.devices)"
        cure = f"lower --data.batch_size to at most {most}" if most else fewer
        raise InputError(
            f"{videos} training videos{rest} do not fill one batch of {batch_size} on {devices} device(s); {cure}"
        )


def check_learned(
    classes: tuple[str, ...], train: list[VideoRecord], later: list[VideoRecord], *, classes_are_given: bool
) -> None:
    """Refuses videos to measure by whose class is not trained: its folder is mostly misspelt.

    Args:
        classes: their names.
        train: the videos that are trained on.
        later: those that choose the checkpoint, and those of the test.
        classes_are_given: whether a list of the user's says which classes there are; then some may have no video.

    Raises:
        InputError: naming the classes, and one that may be meant.
    """
    learned = {classes[record.label] for record in train}
    lost = sorted({classes[record.label] for record in later} - learned)
    if lost and not classes_are_given:
        names = {name.casefold(): name for name in sorted(learned)}
        near = difflib.get_close_matches(lost[0].casefold(), names, n=1)
        hint = f" (is it the {names[near[0]]!r} of train?)" if near else ""
        raise InputError(
            f"{_some(lost)} has videos to measure by and none to train on{hint}; name its folder as in train, give it "
            "training videos, take it out, or list the classes with --data.classes=FILE: then it is not learned"
        )


def check_known(found: set[str], known: tuple[str, ...], where: str) -> None:
    """Refuses videos of classes that a network does not know.

    Args:
        found: the classes that have videos.
        known: those of the network.
        where: the list of the videos.

    Raises:
        InputError: naming them.
    """
    if unknown := sorted(found - set(known)):
        raise InputError(
            f"{where}: {_some(unknown)} not among the {len(known)} classes that are given (first {known[0]!r}); take "
            "those videos out, or name their class as there"
        )


def check_reader(records: list[VideoRecord], reader: str) -> None:
    """Refuses a decoder that was insisted on and is not right for every video.

    Raises:
        InputError: with the number of videos, the first one, and the cure.
    """
    wrong = [error for record in records if (error := why_not(record, reader))]
    if wrong:
        raise InputError(f"{len(wrong)} of {len(records)} videos cannot be read so; the first: {wrong[0]}")


def absent_classes(classes: tuple[str, ...], train: list[VideoRecord], chooses: list[VideoRecord]) -> list[str]:
    """A line for the classes that cannot be learned, and one for those that the choice of the best passes over."""
    learned = {classes[record.label] for record in train}
    chosen = {classes[record.label] for record in chooses}
    lines = {
        "no video to train on, so it will not be learned": set(classes) - learned,
        "no video to choose the best checkpoint by": learned - chosen,
    }
    return [f"{line}: {_some(sorted(names))}" for line, names in lines.items() if names]


def check_same_classes(learned: tuple[str, ...], classes: tuple[str, ...]) -> None:
    """Refuses a checkpoint whose labels mean something else.

    Raises:
        InputError: naming the first class that differs.
    """
    if learned == classes:
        return
    pairs = zip_longest(learned, classes, fillvalue="none")
    label, (theirs, ours) = next((k, pair) for k, pair in enumerate(pairs) if pair[0] != pair[1])
    raise InputError(
        f"the checkpoint learned {len(learned)} classes and the data has {len(classes)}: label {label} is {theirs!r} "
        f"there and {ours!r} here; take the same classes in the same order (--data.classes=FILE)"
    )


def _some(names: list[str], at_most: int = 5) -> str:
    """``class a``, ``classes a, b and 3 more``."""
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return f"{'class' if len(names) == 1 else 'classes'} {', '.join(names[:at_most])}{more}"
