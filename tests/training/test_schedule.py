from __future__ import annotations

import math

import pytest
import torch

from gcvideo.training.schedule import Schedule


def _rates(schedule: Schedule, total: int, lr: float = 0.4, steps_per_epoch: int = 7) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = schedule.build(optimizer, total, steps_per_epoch)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_with_warm_up_equals_the_formula() -> None:
    rates = _rates(Schedule("cosine", warmup=0.2, warmup_start=0.1), 50)
    expected = [0.4 * (0.1 + 0.9 * step / 10) for step in range(10)]
    expected += [0.2 * (1 + math.cos(math.pi * step / 40)) for step in range(40)]
    assert rates == pytest.approx(expected)


def test_step_divides_by_ten_at_the_milestones() -> None:
    rates = _rates(Schedule("step", warmup=0.1, warmup_start=1.0, milestones=(0.5, 0.8)), 20)
    assert rates == pytest.approx([0.4] * 10 + [0.04] * 6 + [0.004] * 4)


def test_no_warm_up_starts_at_the_full_rate() -> None:
    assert _rates(Schedule("cosine", warmup=0.0), 10)[0] == 0.4
    assert _rates(Schedule("constant", warmup=0.0), 10) == [0.4] * 10


def test_cosine_of_pyslowfast_comes_down_from_the_first_step_and_the_warm_up_rises_to_it() -> None:
    schedule = Schedule("cosine", warmup=0.2, warmup_start=0.1, cosine_after_warmup=False)
    cosine = [0.2 * (1 + math.cos(math.pi * step / 50)) for step in range(50)]
    expected = [0.04 + (cosine[10] - 0.04) * step / 10 for step in range(10)] + cosine[10:]
    assert _rates(schedule, 50) == pytest.approx(expected)


def test_last_step_of_the_warm_up_may_have_the_full_rate() -> None:
    schedule = Schedule("constant", warmup=0.5, warmup_start=0.0, full_rate_at="last_of_warmup")
    assert _rates(schedule, 10) == pytest.approx([0.0, 0.1, 0.2, 0.3] + [0.4] * 6)


def test_gamma_is_the_drop_at_a_milestone() -> None:
    assert _rates(Schedule("step", warmup=0.0, milestones=(0.5,), gamma=0.5), 4) == pytest.approx([0.4, 0.4, 0.2, 0.2])


def test_a_rate_that_changes_with_the_epochs_is_the_same_in_all_steps_of_one() -> None:
    schedule = Schedule("cosine", warmup=0.4, warmup_start=0.5, full_rate_at="last_of_warmup", every="epoch")
    cosine = [0.2 * (1 + math.cos(math.pi * epoch / 3)) for epoch in range(3)]
    expected = [rate for rate in [0.2, 0.4, *cosine] for _ in range(3)]
    assert _rates(schedule, 15, steps_per_epoch=3) == pytest.approx(expected)
    assert _rates(schedule, 14, steps_per_epoch=3) == pytest.approx(expected[:14])
