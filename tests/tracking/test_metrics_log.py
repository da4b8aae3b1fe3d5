from __future__ import annotations

import json
from pathlib import Path

import torch

from gcvideo.tracking.metrics_log import MetricsLog, cut_metrics, read_metrics


def test_each_row_is_on_disk_when_it_is_logged(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    log.log_metrics({"train/loss": 0.5, "epoch": 0}, 9)
    assert read_metrics(tmp_path) == [{"step": 9, "train/loss": 0.5, "epoch": 0}]
    log.log_metrics({"val/top1": 0.75}, 19)
    assert [json.loads(line)["step"] for line in log.path.read_text().splitlines()] == [9, 19]


def test_numbers_that_json_lacks_stay_readable(tmp_path: Path) -> None:
    MetricsLog(tmp_path).log_metrics({"train/loss": float(torch.tensor(float("nan"))), "x": float("inf")}, 0)
    assert read_metrics(tmp_path) == [{"step": 0, "train/loss": "nan", "x": "inf"}]


def test_line_that_a_kill_cut_short_does_not_count(tmp_path: Path) -> None:
    MetricsLog(tmp_path).log_metrics({"a": 1.0}, 0)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1, "a"')
    assert [row["step"] for row in read_metrics(tmp_path)] == [0]


def test_rows_from_a_step_on_are_cut(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    for step in (4, 9, 14):
        log.log_metrics({"a": 1.0}, step)
    cut_metrics(tmp_path, 10)
    assert [row["step"] for row in read_metrics(tmp_path)] == [4, 9]
