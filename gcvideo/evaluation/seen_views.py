"""Which views have a score and which clips failed: what the processes of an evaluation tell each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from gcvideo.evaluation.exact_sums import MOST_VIEWS
from gcvideo.records import ExpectedViews


@dataclass
class ViewCounts:
    """Of the views that a process has scored; whole numbers, so their sum has no order.

    Attributes:
        num_classes: K; 0 before the first score.
        top1: views whose best class is the true one.
        top5: that have it among their five best.
        loss: sum of their cross-entropies, in units of 2 ** -32.
        broken: whose scores are not finite; they count in nothing else.
    """

    num_classes: int = 0
    top1: int = 0
    top5: int = 0
    loss: int = 0
    broken: int = 0

    def plus(self, other: ViewCounts) -> ViewCounts:
        """Both together."""
        sums = (getattr(self, part.name) + getattr(other, part.name) for part in fields(self)[1:])
        return ViewCounts(max(self.num_classes, other.num_classes), *sums)


@dataclass
class SeenViews:
    """Small things about what a process has seen; this is what the processes tell each other.

    Attributes:
        labels: of each video with a score.
        views: the views of each such video, a bit for each.
        failures: by (video, first view of the clip), why a clip could not be read.
        counts: of the views.
    """

    labels: dict[int, int] = field(default_factory=dict)
    views: dict[int, int] = field(default_factory=dict)
    failures: dict[tuple[int, int], str] = field(default_factory=dict)
    counts: ViewCounts = field(default_factory=ViewCounts)

    def add(self, video: int, view: int) -> bool:
        """Whether this view is new."""
        if view >= MOST_VIEWS:
            raise ValueError(f"view {view} of a video; expected at most {MOST_VIEWS} views of each: take fewer clips")
        before = self.views.get(video, 0)
        self.views[video] = before | 1 << view
        return self.views[video] != before


def merged(parts: Sequence[SeenViews]) -> SeenViews:
    """What all processes have seen.

    Raises:
        ValueError: if two of them have scored the same view.
    """
    whole = SeenViews()
    for part in parts:
        for video, views in part.views.items():
            if whole.views.get(video, 0) & views:
                raise ValueError(
                    f"two processes have scored the same view of video {video}; expected each view from one of them: "
                    "take the loaders of the data module, with use_distributed_sampler=False"
                )
            whole.views[video] = whole.views.get(video, 0) | views
        whole.labels |= part.labels
        whole.failures |= part.failures
        whole.counts = whole.counts.plus(part.counts)
    return whole


def failed_lines(seen: SeenViews) -> tuple[str, ...]:
    """The first line of each video without a score, by position."""
    first = {video: line for (video, _), line in sorted(seen.failures.items(), reverse=True)}
    return tuple(first[video] for video in sorted(first) if video not in seen.views)


def incomplete_lines(seen: SeenViews, views: Mapping[int, int], expected: ExpectedViews | None) -> Iterator[str]:
    """One for each video that lacks views and has not failed as a whole, by position.

    Args:
        seen: by all processes.
        views: of each video with a score, how many.
        expected: what was to be scored; without it, only views that are known to have failed are missed.
    """
    failures = {video: line for (video, _), line in sorted(seen.failures.items(), reverse=True)}
    wanted = range(len(expected.names)) if expected else sorted(views)
    for video in wanted:
        count, failure = views.get(video, 0), failures.get(video)
        if expected is None and failure:
            yield f"{failure} ({count} views are scored)"
        elif expected and count < expected.num_views and (count or not failure):
            what = f"{count} of {expected.num_views} views are scored"
            yield f"{failure} ({what})" if failure else f"{expected.names[video]}: {what}"
