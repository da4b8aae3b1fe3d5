"""Runs in processes of their own that are stopped somewhere, and the run that nothing happens to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gcvideo.tracking.metrics_log import read_metrics

Whole = Callable[[int, int, str], tuple["Job", Any]]

RECIPE = [
    "--model.dropout=0.3",
    "--model.mixing.mixup=0.2",
    "--model.ema=0.9",
    "--model.precise_bn=2",
    "--data.augmentation.jitter=0.2",
    "--data.batch_size=2",
    "--trainer.max_epochs=3",
    "--trainer.log_every_n_steps=1",
    "--save_every_steps=1",
    "--trainer.logger=false",
]
STEPS = 21  # 14 videos that are not held out, two a step, three epochs


@dataclass
class Job:
    """A run in a process of its own.

    Attributes:
        folder: the run folder.
        options: of ``gcvideo fit``.
    """

    folder: Path
    options: list[str]

    def start(self, *more: str, by: Path | None = None) -> subprocess.Popen[bytes]:
        """Begins, or continues with ``--ckpt_path last``; its ranks are a process group.

        Args:
            more: options.
            by: a script that starts the ranks; by default the first one starts the others.
        """
        fit = [str(by)] if by else [sys.executable, "-m", "gcvideo", "fit"]
        return subprocess.Popen(
            [*fit, "--config=demo", "--run_dir", str(self.folder), *self.options, *more],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHON": sys.executable, "GPUS": "2"} if by else None,
        )

    def finish(self) -> None:
        """Runs to the end, from the last checkpoint where there is one."""
        more = ["--ckpt_path=last"] if (self.folder / "last.ckpt").exists() else []
        if not more:
            (self.folder / "metrics.jsonl").unlink(missing_ok=True)
        process = self.start(*more)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()

    def wait_for_rows(self, process: subprocess.Popen[bytes], rows: int) -> None:
        """Until the record has so many rows, or the run has ended."""
        while process.poll() is None and len(read_metrics(self.folder)) < rows:
            time.sleep(0.005)

    def end(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The last checkpoint, without what names a place or a time, and the rows of the record."""
        checkpoint = torch.load(self.folder / "last.ckpt", weights_only=True)
        kept = {name: checkpoint[name] for name in ("state_dict", "current_model_state", "averaging_state")}
        kept |= {name: checkpoint[name] for name in ("optimizer_states", "lr_schedulers", "epoch", "global_step")}
        rows = [{k: v for k, v in row.items() if not k.startswith("perf/")} for row in read_metrics(self.folder)]
        return kept, [row for row in rows if len(row) > 1]


def equal(one: Any, other: Any) -> bool:
    """Bit for bit, whatever it holds."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other) and one.dtype == other.dtype
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


WAYS = [(workers, ranks, precision) for workers in (0, 2) for ranks in (1, 2) for precision in ("32", "bf16-mixed")]
