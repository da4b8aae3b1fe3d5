"""What a kill has taken from W&B: its files lack the last rows before it, which metrics.jsonl has."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gcvideo.tracking.metrics_log import read_metrics

log = logging.getLogger(__name__)

_READ_SECONDS = 120
_STEP = "trainer/global_step"  # how Lightning's logger names it


def rows_lost(folder: Path, run_id: str, before: int) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl that the files of a W&B run in the same folder do not hold, in their order.

    W&B writes offline history every 15 s or so, and a process that is killed does not write the rest.

    Args:
        folder: the run folder.
        run_id: of the W&B run; it has a file for each time it was started.
        before: the optimizer step that the run goes on from; later rows come again anyway.
    """
    rows = [row for row in read_metrics(folder) if row["step"] < before]
    if not rows:
        return []
    held: defaultdict[int, set[str]] = defaultdict(set)
    for started in sorted((folder / "wandb").glob(f"*run-*-{run_id}")):
        for row in _history(started):
            held[int(row[_STEP])] |= set(row)
    return [row for row in rows if not set(row) - {"step"} <= held[row["step"]]]


def _history(started: Path) -> Iterator[dict[str, Any]]:
    """The rows that W&B's own reader finds; none of a record that it refuses, and a line says so."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(started)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_READ_SECONDS, check=True)
        records = [json.loads(line) for line in done.stdout.splitlines()]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        log.warning(f"W&B's record {started} cannot be read ({error}); its rows are logged again")
        return
    for record in records:
        row = record.get("history", {}).get("item", {})
        if _STEP in row:
            yield row
