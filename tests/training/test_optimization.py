from __future__ import annotations

import math

import pytest
import torch

from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.network import Network
from gcvideo.models.sites import Insertion
from gcvideo.training.optimization import Schedule, num_optimizer_steps, parameter_groups


def _rates(schedule: Schedule, total: int, lr: float = 0.4) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = schedule.build(optimizer, total)
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


def test_norms_and_biases_have_no_weight_decay() -> None:
    network = Network(SlowOnly(width=8), 5, {"gc": Insertion(GlobalContext, {"res4": "all"})})
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    decayed, free = parameter_groups(network, decay_norms_and_biases=False)
    assert free["weight_decay"] == 0.0
    assert len(decayed["params"]) + len(free["params"]) == len(names)
    assert all(
        names[id(p)].endswith(
            (".bias", "norm_a.weight", "norm_b.weight", "norm_c.weight", "norm.weight", "transform.1.weight")
        )
        for p in free["params"]
    )
    assert not any(names[id(p)].endswith(".bias") or "norm" in names[id(p)] for p in decayed["params"])
    assert len(parameter_groups(network, decay_norms_and_biases=True)) == 1


def test_frozen_parameters_are_left_out() -> None:
    network = Network(SlowOnly(width=4), 5)
    network.blocks[0].requires_grad_(False)
    trained = sum(len(group["params"]) for group in parameter_groups(network, decay_norms_and_biases=False))
    assert trained == len(list(network.parameters())) - len(list(network.blocks[0].parameters()))


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        ((27, 30, 1, -1), 810),
        ((27, 30, 4, -1), 210),
        ((27, 30, 1, 100), 100),
        ((27, -1, 1, 100), 100),
    ],
)
def test_steps_of_a_run(arguments: tuple[int, int, int, int], steps: int) -> None:
    assert num_optimizer_steps(*arguments) == steps


def test_run_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match=r"set --trainer.max_epochs or --trainer.max_steps"):
        num_optimizer_steps(27, -1, 1, -1)
