from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.tracking.advice import AdviceOnData, Speed

_CONFIG = Path("runs/a b/config.yaml")


def _say(speed: Speed, *, advice: AdviceOnData | None = None, num_workers: int = 2, cores: int = 8) -> str:
    advice = advice or AdviceOnData()
    advice.add(speed, 3)
    return _look(advice, 3, num_workers=num_workers, cores=cores)


def _look(advice: AdviceOnData, epoch: int, *, num_workers: int = 2, cores: int = 8) -> str:
    return advice.look(epoch=epoch, num_workers=num_workers, cores=cores, config=_CONFIG)


def _speed(wait: float, batches: int = 20) -> Speed:
    return Speed(batches, clips=10 * batches, seconds=1.0 * batches, waited=wait * batches)


def test_advice_has_the_numbers_that_were_seen_and_what_to_type() -> None:
    line = _say(_speed(0.75))
    assert "epoch 3 waited for data 75% of the time (15.0 of 20.0 s): 10 clips/s, where 40 could be trained on" in line
    assert "gcvideo prepare" in line
    assert "gcvideo benchmark data --config 'runs/a b/config.yaml' says where the time goes" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("wait", "num_workers", "cores", "cure"),
    [
        (
            0.75,
            2,
            8,
            "set --data.num_workers=8 (2 now; about what keeps up)",
        ),  # they work all the time
        (0.75, 2, 6, "set --data.num_workers=6 (2 now; all cores; about 8 would keep up)"),
        (0.25, 2, 8, "set --data.num_workers=3 (2 now; about what keeps up)"),
        (0.75, 0, 8, "set --data.num_workers=3 (0 now; about what keeps up)"),  # reads for 3 s, computes for 1
        (0.75, 8, 8, "--data.num_workers=8 leaves none of the 8 cores free"),
        (0.75, 2, 1, "--data.num_workers=2 leaves none of the 1 core free"),
        (1.0, 1, 4, "set --data.num_workers=4 (1 now; about what keeps up)"),
    ],
)
def test_workers_that_are_advised_follow_from_the_waiting(wait: float, num_workers: int, cores: int, cure: str) -> None:
    assert f"; {cure};" in _say(_speed(wait), num_workers=num_workers, cores=cores)


@pytest.mark.parametrize("speed", [Speed(), _speed(0.19), _speed(0.9, batches=7)])
def test_nothing_is_said_of_little_waiting_or_of_few_batches(speed: Speed) -> None:
    assert _say(speed) == ""


def test_it_is_said_again_only_where_it_got_worse_and_three_times_at_most() -> None:
    advice = AdviceOnData()
    waits = (0.1, 0.3, 0.35, 0.2, 0.45, 0.5, 0.6, 0.8, 0.95)
    assert [wait for wait in waits if _say(_speed(wait), advice=advice)] == [0.3, 0.45, 0.6]


def test_short_epochs_add_up_until_there_is_something_to_say() -> None:
    advice, said = AdviceOnData(), []
    for epoch in range(1, 6):
        advice.add(_speed(0.5, batches=3), epoch)
        said.append(_look(advice, epoch))
    assert [bool(line) for line in said] == [False, False, True, False, False]
    assert said[2].startswith("epochs 1 to 3 waited for data 50% of the time (4.5 of 9.0 s)")
    advice.add(_speed(0.9, batches=3), 6)
    assert _look(advice, 6).startswith("epochs 4 to 6 waited for data 63% of the time (5.7 of 9.0 s)")


def test_long_epoch_is_looked_at_once_after_two_minutes_and_then_at_its_end() -> None:
    advice, batch = AdviceOnData(), Speed(1, clips=10, seconds=3.0, waited=1.2)
    due = [number for number in range(1, 101) if advice.add(batch, 1) and _look(advice, 1)]
    assert due == [40]
    assert _look(advice, 1) == "", "it got no worse"
    for _ in range(10):
        advice.add(Speed(1, clips=10, seconds=4.0, waited=3.0), 2)
    assert _look(advice, 2).startswith("epoch 2 waited for data 75% of the time (30.0 of 40.0 s)")


def test_first_look_waits_for_enough_batches() -> None:
    advice, batch = AdviceOnData(), Speed(1, clips=10, seconds=60.0, waited=30.0)
    assert [advice.add(batch, 1) for _ in range(10)] == [False] * 7 + [True] + [False] * 2


def test_speeds_of_batches_add_up() -> None:
    both = Speed(1, 4, 1.0, 0.5) + Speed(1, 8, 2.0, 0.1)
    assert both == Speed(2, 12, 3.0, 0.6)
    assert both.clips_per_s == 4
    assert both.data_wait == pytest.approx(0.2)
    assert (Speed().clips_per_s, Speed().data_wait) == (0, 0)
