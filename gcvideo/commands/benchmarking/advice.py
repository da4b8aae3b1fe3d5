"""What ``gcvideo benchmark data`` has measured, and what it means for a run: workers, decoder, prepared files."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gcvideo.commands.benchmarking.decoders import DecoderCost, PreparedCost
from gcvideo.commands.benchmarking.report import PipelineCost

_WORTH_IT = 1.25  # times faster: less than that is not advised


@dataclass(frozen=True)
class DataBenchmark:
    """What was measured, and what it means.

    Attributes:
        num_videos: that were read.
        num_training_videos: that there are.
        rounds: over the videos.
        clip: frames, stride, size and augmentation in words.
        cost: of a clip.
        decoders: each on the videos that it is right for.
        prepared: what encoding anew would gain; None where it could not be tried.
        clips_per_step: that a step takes on each device.
        step_ms: length of a training step; None where it is not known.
        step_is_measured: it was measured here, not given.
        num_processors: that this process may use.
        reader: the decoder that most of the videos are read by now.
    """

    num_videos: int
    num_training_videos: int
    rounds: int
    clip: str
    cost: PipelineCost
    decoders: list[DecoderCost]
    prepared: PreparedCost | None
    clips_per_step: int
    step_ms: float | None
    step_is_measured: bool
    num_processors: int
    reader: str

    @property
    def batch_ms(self) -> float:
        """Milliseconds of one worker for the clips of a step."""
        return self.clips_per_step * self.cost.total

    @property
    def num_workers(self) -> int:
        """Workers a device that keep up with its steps, each with a processor of its own; 0 where no step is known."""
        return 0 if self.step_ms is None else math.ceil(self.batch_ms / self.step_ms)

    @property
    def advice(self) -> list[str]:
        """One to three sentences."""
        return [sentence for sentence in (self._on_workers(), self._on_decoders(), self._on_files()) if sentence]

    def _on_workers(self) -> str:
        if self.step_ms is None:
            return "how many workers a run needs: add --measure_step, or --step_ms with the length of a step"
        if self.num_workers > self.num_processors:
            return (
                f"there are {self.num_processors} processors: with --data.num_workers={self.num_processors} a step "
                f"waits, and takes {self.batch_ms / self.num_processors:.0f} ms"
            )
        return (
            f"use --data.num_workers={self.num_workers} (for each device; there are {self.num_processors} processors)"
        )

    def _on_decoders(self) -> str:
        used = next((d for d in self.decoders if d.name == self.reader), None)
        equal = [d for d in self.decoders if used and d.num_right == used.num_right]
        best = min(equal, key=lambda decoder: decoder.total, default=None)
        if used is None or best is None or used.total < _WORTH_IT * best.total:
            return ""
        return (
            f"--data.reading.reader={best.name} reads these videos {used.total / best.total:.1f} times as fast as "
            f"{used.name}, which is used now"
        )

    def _on_files(self) -> str:
        tried = self.prepared
        if tried is None or tried.before < _WORTH_IT * tried.after:
            return ""
        options = f"--short_side {tried.encoding.short_side_px} --gop {tried.encoding.gop}"
        return (
            f"gcvideo prepare with {options} makes reading {tried.before / tried.after:.1f} times as fast, for "
            f"{tried.bytes_factor:.1f} times the bytes ({tried.before:.1f} and {tried.after:.1f} ms a clip, tried on "
            f"{tried.num_videos} of the videos)"
        )
