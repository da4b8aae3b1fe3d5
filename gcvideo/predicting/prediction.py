"""What a network says of a video, and what is said of one that it could not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from gcvideo.errors import InputError


@dataclass(frozen=True)
class Prediction:
    """The classes of a video, or of a part of it.

    Attributes:
        path: of the video; empty for frames that were no file.
        labels: names of the most probable classes, the most probable first.
        probabilities: of these, 0-1.
        scores: the probability of every class, in the order of the classes; they sum to 1.
        damage: empty, or what is wrong with the file though it decodes.
        start: seconds from the first shown frame to the beginning of what was looked at.
        end: seconds to its end.
    """

    path: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    scores: tuple[float, ...]
    damage: str
    start: float
    end: float

    @property
    def label(self) -> str:
        """The name of the most probable class."""
        return self.labels[0]

    def __str__(self) -> str:
        best = ", ".join(f"{name} {percent(p)}" for name, p in zip(self.labels, self.probabilities, strict=True))
        return f"{self.path}: {best}" if self.path else best


@dataclass(frozen=True)
class Unpredicted:
    """A file of which nothing can be said.

    Attributes:
        path: as it was named.
        reason: a line.
        start: seconds to the beginning of the part that is meant; 0 where it is the whole file.
        end: seconds to its end; None where that is not known.
    """

    path: str
    reason: str
    start: float = 0.0
    end: float | None = None


Outcome = Prediction | Unpredicted


def named(
    probabilities: Tensor,
    classes: Sequence[str],
    top: int,
    *,
    path: str = "",
    damage: str = "",
    start: float = 0.0,
    end: float = 0.0,
) -> Prediction:
    """Names the best classes.

    Args:
        probabilities: (K,), they sum to 1.
        classes: K names.
        top: how many classes are named; all where there are fewer.
        path: of the video.
        damage: what is wrong with it.
        start: seconds to the beginning of what was looked at.
        end: seconds to its end.
    """
    scores = tuple(probabilities.tolist())
    best = sorted(range(len(classes)), key=lambda number: -scores[number])[:top]
    return Prediction(
        path=path,
        labels=tuple(classes[number] for number in best),
        probabilities=tuple(scores[number] for number in best),
        scores=scores,
        damage=damage,
        start=start,
        end=end,
    )


def check_top(top: int) -> None:
    """Refuses to name no class.

    Raises:
        InputError: if ``top`` is below 1.
    """
    if top < 1:
        raise InputError(f"top is {top}; expected how many of the best classes are named, at least 1", exit_code=2)


def percent(probability: float) -> str:
    """``71.2 %``."""
    return f"{100 * probability:.1f} %"
