"""What to do when a run waits for its data: said at the end of an epoch, with the numbers that were seen."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

_NOTABLE = 0.2  # share of the time: less is not worth a change
_WORSE = 0.1  # more of the time than when it was said last
_FEWEST_BATCHES = 8
_MOST_TIMES = 3


@dataclass(frozen=True)
class Speed:
    """The batches of an epoch that were measured.

    Attributes:
        batches: how many.
        clips: in them, of all devices together.
        seconds: that they took, from the end of the batch before each to its own end.
        waited: seconds of these in which there was nothing to compute with.
    """

    batches: int = 0
    clips: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    @property
    def clips_per_s(self) -> float:
        """Clips a second; 0 where nothing was measured."""
        return self.clips / self.seconds if self.seconds else 0.0

    @property
    def data_wait(self) -> float:
        """The share of the time that was waited, 0 to 1."""
        return self.waited / self.seconds if self.seconds else 0.0

    def __add__(self, other: Speed) -> Speed:
        return Speed(
            self.batches + other.batches,
            self.clips + other.clips,
            self.seconds + other.seconds,
            self.waited + other.waited,
        )


class AdviceOnData:
    """Says that the loader is the bottleneck: in the first epoch that shows it, again where it gets worse."""

    def __init__(self) -> None:
        self._times, self._share = 0, 0.0

    def on(self, speed: Speed, *, epoch: int, num_workers: int, cores: int, config: Path) -> str:
        """One line; empty where there is nothing to say, or it was said.

        Args:
            speed: of the epoch.
            epoch: its number, from 1.
            num_workers: loader processes of each training process.
            cores: processor cores for each training process and its workers, at least 1.
            config: of the run, for the command that is advised.
        """
        share = speed.data_wait
        least = self._share + _WORSE if self._times else _NOTABLE
        if speed.batches < _FEWEST_BATCHES or share < least or self._times == _MOST_TIMES:
            return ""
        self._times, self._share = self._times + 1, share
        more = (
            "gcvideo prepare writes files that are faster to read (every frame a key frame), and "
            f"gcvideo benchmark data --config {shlex.quote(str(config))} says where the time goes"
        )
        return "; ".join([_seen(speed, epoch), _on_workers(speed, num_workers, cores), more])


def rate(clips_per_s: float) -> str:
    """Clips a second, as exact as it is of use: ``153``, ``8.4``."""
    return f"{clips_per_s:.{0 if clips_per_s >= 10 else 1}f}"


def _seen(speed: Speed, epoch: int) -> str:
    computing = speed.seconds - speed.waited
    could = f", where {rate(speed.clips / computing)} could be trained on" if computing > 0 else ""
    return (
        f"epoch {epoch} waited for data {speed.data_wait:.0%} of the time "
        f"({speed.waited:.1f} of {speed.seconds:.1f} s): {rate(speed.clips_per_s)} clips/s{could}"
    )


def _on_workers(speed: Speed, num_workers: int, cores: int) -> str:
    """How many workers keep up if each has a core: all time is one worker's where there is one, the waiting if none."""
    if num_workers >= cores:
        of_cores = f"{cores} core" + "s" * (cores > 1)
        return f"--data.num_workers={num_workers} leaves none of the {of_cores} free"
    computing = speed.seconds - speed.waited
    loading = speed.seconds * num_workers if num_workers else speed.waited
    needed = max(num_workers + 1, math.ceil(loading / computing) if computing > 0 else cores)
    enough = "about what keeps up" if needed <= cores else f"all cores; about {needed} would keep up"
    return f"set --data.num_workers={min(needed, cores)} ({num_workers} now; {enough})"
