"""What was published of a config's model, where, and whether it was reproduced here; it stands in the config itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["reproduced", "not reproduced", "not run here"]


@dataclass(frozen=True)
class Published:
    """One published row.

    Attributes:
        source: who published it, and where it stands.
        top1: video-level accuracy, percent.
        top5: likewise.
        views: clips x crops a video, and the side of the crop in pixels.
        mark: M where it was recalled from a paper whose text was not at hand; null where it was read.
    """

    source: str
    top1: float
    top5: float
    views: str = "10 x 3, 256 px"
    mark: Literal["M"] | None = None


@dataclass(frozen=True)
class Catalogue:
    """The key ``catalogue`` of a shipped config.

    Attributes:
        recipe: whose training recipe it is, and its file or table.
        status: whether the published figures were reached here.
        measured: what was measured here, with its convention; null where it was not run.
        published: none where no figure is known.
    """

    recipe: str
    status: Status = "not run here"
    measured: str | None = None
    published: tuple[Published, ...] = ()

    def __post_init__(self) -> None:
        if (self.measured is None) != (self.status == "not run here"):
            raise ValueError(
                f"catalogue.status is {self.status!r}, so measured must {'not ' * bool(self.measured)}be given"
            )


def catalogue_of(config: dict[str, Any]) -> Catalogue | None:
    """The catalogue of a config that was read from a YAML."""
    entry = config.get("catalogue")
    if entry is None:
        return None
    rows = tuple(Published(**row) for row in entry.get("published", ()))
    return Catalogue(**{**entry, "published": rows})
