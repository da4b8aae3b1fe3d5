"""How long ranks wait, what is said of an error between them, and what SLURM does with a job."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from lightning import Trainer
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy

from gcvideo.cli import run
from gcvideo.commands.running.ranks import limit_waiting, lost_or_late, with_cluster


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "[gloo/transport/tcp/pair.cc:545] Read error [127.0.0.1]:8110: Connection reset by peer.",
            "another rank is gone",
        ),
        ("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [10.77.0.2]:1", "is gone"),
        ("ncclRemoteError: A call failed possibly due to a network error or a remote process exiting", "is gone"),
        ("Timed out waiting 600000ms for recv operation to complete", "did not come within the time"),
        ("wait timeout after 600000ms, keys: /worker/0", "did not come within the time"),
        ("CUDA error: the launch timed out and was terminated", None),
        ("mat1 and mat2 shapes cannot be multiplied", None),
    ],
)
def test_errors_of_the_exchange_are_told_from_others(message: str, reason: str | None) -> None:
    trainer: Any = SimpleNamespace(strategy=SimpleNamespace(launcher=None))
    said = lost_or_late(message, trainer)
    assert said is None if reason is None else reason in str(said)


def test_ranks_wait_for_each_other_ten_minutes_unless_told_otherwise() -> None:
    limit_waiting()
    two: dict[str, Any] = {"accelerator": "cpu", "devices": 2, "logger": False, "enable_checkpointing": False}
    for strategy in ("auto", "ddp", "ddp_find_unused_parameters_true"):
        assert Trainer(strategy=strategy, **two).strategy._timeout == timedelta(minutes=10)  # type: ignore[attr-defined]
    told = Trainer(strategy=DDPStrategy(timeout=timedelta(hours=1)), **two)
    assert told.strategy._timeout == timedelta(hours=1)  # type: ignore[attr-defined]


def test_slurm_job_is_not_requeued_by_lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints: Any = TorchCheckpointIO()
    assert with_cluster(checkpoints) == [checkpoints]
    monkeypatch.setenv("SLURM_NTASKS", "8")
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "8")
    kept, cluster = with_cluster([checkpoints])
    assert kept is checkpoints
    assert isinstance(cluster, SLURMEnvironment)
    assert not cluster.auto_requeue
    assert with_cluster([cluster]) == [cluster]


def test_error_says_on_which_rank(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for rank, begins in {"0": "gcvideo: error: unknown", "3": "gcvideo: error on rank 3: unknown"}.items():
        monkeypatch.setenv("RANK", rank)
        assert run(["no-such-command"]) == 2
        assert capsys.readouterr().err.startswith(begins)
