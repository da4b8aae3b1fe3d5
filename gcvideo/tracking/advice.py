"""What to do when a run waits for its data: said soon after its start or at the end of an epoch, with what was seen."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

_NOTABLE = 0.2  # share of the time: less is not worth a change
_WORSE = 0.1  # more of the time than when it was said last
_FEWEST_BATCHES = 8
_SOON_S = 120.0  # of training, after which it is looked at within an epoch, once: those of Kinetics take hours
_MOST_TIMES = 3


@dataclass(frozen=True)
class Speed:
    """Batches that were measured.

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
    """Says that the loader is the bottleneck: where it is seen first, and again where it gets worse.

    It looks at the batches since it looked last, once there are some: when two minutes were trained, and after that at
    the end of an epoch, or of several short ones.
    """

    def __init__(self) -> None:
        self._times, self._share = 0, 0.0
        self._seen, self._since, self._trained_s = Speed(), 0, 0.0
        self._looked_soon = False

    def add(self, speed: Speed, epoch: int) -> bool:
        """Takes note of batches.

        Args:
            speed: of them.
            epoch: its number, from 1.

        Returns:
            Whether now is the time to look within an epoch.
        """
        self._since = self._since if self._seen.batches else epoch
        self._seen += speed
        self._trained_s += speed.seconds
        is_soon = self._trained_s >= _SOON_S and self._seen.batches >= _FEWEST_BATCHES and not self._looked_soon
        self._looked_soon |= is_soon
        return is_soon

    def look(self, *, epoch: int, num_workers: int, cores: int, config: Path) -> str:
        """One line; empty where there is nothing to say, or it was said.

        Args:
            epoch: its number, from 1.
            num_workers: loader processes of each training process.
            cores: processor cores for each training process and its workers, at least 1.
            config: of the run, for the command that is advised.
        """
        if self._seen.batches < _FEWEST_BATCHES:
            return ""
        speed, self._seen = self._seen, Speed()
        share = speed.data_wait
        least = self._share + _WORSE if self._times else _NOTABLE
        if share < least or self._times == _MOST_TIMES:
            return ""
        self._times, self._share = self._times + 1, share
        epochs = f"epoch {epoch}" if self._since == epoch else f"epochs {self._since} to {epoch}"
        more = (
            "gcvideo prepare writes files that are faster to read (every frame a key frame), and "
            f"gcvideo benchmark data --config {shlex.quote(str(config))} says where the time goes"
        )
        return "; ".join([_seen(speed, epochs), _on_workers(speed, num_workers, cores), more])


def rate(clips_per_s: float) -> str:
    """Clips a second, as exact as it is of use: ``153``, ``8.4``."""
    return f"{clips_per_s:.{0 if clips_per_s >= 10 else 1}f}"


def _seen(speed: Speed, epochs: str) -> str:
    computing = speed.seconds - speed.waited
    could = f", where {rate(speed.clips / computing)} could be trained on" if computing > 0 else ""
    return (
        f"{epochs} waited for data {speed.data_wait:.0%} of the time "
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
