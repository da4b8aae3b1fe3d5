from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from gcvideo.errors import InputError
from gcvideo.tracking import agreement, other_ranks
from gcvideo.tracking.agreement import EVERY_S, Agreement
from gcvideo.tracking.other_ranks import OtherRanks

TWO: Any = SimpleNamespace(world_size=2, global_step=7)


class Clock:
    """A clock that is moved by hand, and notes when ranks talked to each other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.asked = 100.0, list[float]()
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(agreement, "any_rank", self._ask)

    def _ask(self, trainer: Any, numbers: list[float]) -> list[float]:
        self.asked.append(self.now)
        return list(numbers)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def _steps(clock: Clock, agree: Agreement, lengths_s: list[float]) -> None:
    for length in lengths_s:
        agree.largest(TWO, [0.0])
        clock.now += length


@pytest.mark.parametrize("step_s", [0.001, 0.02, 0.1, 3.0])
def test_ranks_talk_every_quarter_second_or_every_step(clock: Clock, step_s: float) -> None:
    _steps(clock, Agreement(), [step_s] * 5000)
    waits = [late - early for early, late in zip(clock.asked, clock.asked[1:], strict=False)][15:]
    assert max(waits) <= max(EVERY_S, step_s) * 1.01
    assert min(waits) >= max(EVERY_S, step_s) * 0.79


@pytest.mark.parametrize("ahead", [0, 4, 8, 16])
def test_steps_that_become_slow_do_not_keep_ranks_apart_for_ten_seconds(clock: Clock, ahead: int) -> None:
    """Batches that were read ahead, then a second each."""
    _steps(clock, Agreement(), [0.005] * ahead + [1.0] * 40)
    waits = [late - early for early, late in zip(clock.asked, clock.asked[1:], strict=False)]
    assert max(waits) < 10
    assert waits[-20:] == pytest.approx([1.0] * 20)


def test_step_that_must_be_one_is_one(clock: Clock) -> None:
    agree = Agreement()
    _steps(clock, agree, [0.001] * 300)
    number = len(clock.asked)
    assert agree.largest(TWO, [15.0], now=True) == [15.0]
    assert len(clock.asked) == number + 1


def test_process_alone_is_asked_at_every_step() -> None:
    alone: Any = SimpleNamespace(world_size=1)
    assert [Agreement().largest(alone, [1, 0]) for _ in range(3)] == [[1, 0]] * 3


def test_ranks_that_took_up_different_checkpoints_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_ranks, "any_rank", lambda trainer, numbers: [7, 0])
    with pytest.raises(InputError, match="one process goes on from step 0, another from step 7: all machines must see"):
        OtherRanks().on_train_start(TWO, None)  # type: ignore[arg-type]
    monkeypatch.setattr(other_ranks, "any_rank", lambda trainer, numbers: [7, -7])
    OtherRanks().on_train_start(TWO, None)  # type: ignore[arg-type]
