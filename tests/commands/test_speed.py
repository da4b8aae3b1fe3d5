from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gcvideo.data.dataset import VideoDataset
from gcvideo.records import Sample
from gcvideo.tracking.metrics_log import read_metrics

Fit = Callable[..., Path]


@pytest.fixture
def slow_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """A video of the training takes twice as long to read as the step before it took, however busy the machine is."""
    read, last = VideoDataset.__getitem__, [0.0]

    def slowly(self: VideoDataset, key: tuple[int, int]) -> Sample:
        time.sleep(2 * (time.monotonic() - last[0]) if last[0] else 0.01)
        sample = read(self, key)
        last[0] = time.monotonic()
        return sample

    monkeypatch.setattr(VideoDataset, "__getitem__", slowly)


def _rows(folder: Path, name: str) -> dict[int, float]:
    return {row["step"]: row[name] for row in read_metrics(folder) if name in row}


def test_every_batch_is_measured_but_the_first_of_an_epoch(fit: Fit) -> None:
    folder = fit("here")
    for figure in ("clips_per_s", "step_s", "data_wait", "memory_gb"):
        assert sorted(_rows(folder, f"perf/{figure}")) == [1, 2, 4, 5], "three batches an epoch"


def test_batch_behind_a_validation_is_not_measured(fit: Fit) -> None:
    """What is logged of it are the figures of the batch before."""
    lengths = _rows(fit("here", "--trainer.val_check_interval=2"), "perf/step_s")
    assert (lengths[2], lengths[5]) == (lengths[1], lengths[4])


def test_figures_of_a_run_fit_together(fit: Fit) -> None:
    folder = fit("here")
    seconds, speeds = _rows(folder, "perf/step_s"), _rows(folder, "perf/clips_per_s")
    for step, length in seconds.items():
        assert speeds[step] == pytest.approx(4 / length, rel=1e-5), "four videos a batch, one clip each"
        assert 0 <= _rows(folder, "perf/data_wait")[step] < 1
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    assert all(0.1 < held <= most * 1.01 for held in _rows(folder, "perf/memory_gb").values())


@pytest.mark.usefixtures("slow_reading")
def test_run_that_waits_for_data_shows_it_and_says_once_what_to_do(
    fit: Fit, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    folder = fit("here", "--data.batch_size=1", "--trainer.limit_train_batches=10", "--data.num_workers=0")
    waits, lengths = _rows(folder, "perf/data_wait"), _rows(folder, "perf/step_s")
    assert 0.5 < sum(waits[step] * lengths[step] for step in waits) / sum(lengths.values()) < 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "epoch " in line and "/2" in line]
    assert len(lines) == 2
    assert all("waits for data " in line for line in lines)
    advice = [message for message in caplog.messages if "waited for data" in message]
    assert len(advice) == 1
    assert advice[0].startswith("epoch 1 waited for data ")
    assert "gcvideo benchmark data --config here/config.yaml" in advice[0]


@pytest.mark.usefixtures("slow_reading")
def test_run_of_short_epochs_is_told_what_to_do(fit: Fit, caplog: pytest.LogCaptureFixture) -> None:
    """Two batches of each are measured."""
    fit("here", "--data.num_workers=0", "--trainer.max_epochs=5")
    advice = [message for message in caplog.messages if "waited for data" in message]
    assert [line.partition(" waited")[0] for line in advice] == ["epochs 1 to 4"]


@pytest.mark.usefixtures("slow_reading")
def test_long_epoch_is_told_what_to_do_before_its_end(
    fit: Fit, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After the eighth of its thirteen measured batches."""
    monkeypatch.setattr("gcvideo.tracking.advice._SOON_S", 0.0)
    folder = fit("here", "--data.batch_size=1", "--data.num_workers=0", "--trainer.max_epochs=1")
    (advice,) = [message for message in caplog.messages if "waited for data" in message]
    lengths = _rows(folder, "perf/step_s")
    assert len(lengths) == 13
    assert f" of {sum(lengths[step] for step in range(1, 9)):.1f} s)" in advice


def test_short_waiting_is_not_shown(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fit("here", "--data.num_workers=1", "--trainer.max_epochs=1")
    shown = "waits for data" in capsys.readouterr().out
    measured, lengths = _rows(folder, "perf/data_wait"), _rows(folder, "perf/step_s")
    waited = sum(measured[step] * lengths[step] for step in measured)
    assert shown == (waited / sum(lengths.values()) >= 0.1)
