from __future__ import annotations

import pytest
import torch
from torch import nn

from gcvideo.errors import InputError
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.blocks.non_local import NonLocal
from gcvideo.models.network import Network
from gcvideo.models.sites import Insertion
from gcvideo.training.parameter_groups import NoDecay, StageRates, check_groups, parameter_groups, scale_rates
from gcvideo.training.run_length import RunLength

FOUR_TIMES_SIXTEEN = RunLength(4, 16, 1, 1, batches_per_epoch=10, steps_per_epoch=10, total_steps=100)


def _free(network: Network, *no_decay: NoDecay) -> set[str]:
    """Names of the parameters without weight decay."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = parameter_groups(network, no_decay=no_decay)
    assert sum(len(group["params"]) for group in groups) == len(names)
    return {names[id(p)] for group in groups if group.get("weight_decay") == 0.0 for p in group["params"]}


def test_norms_and_biases_have_no_weight_decay() -> None:
    network = Network(SlowOnly(width=8), 5, {"gc": Insertion(GlobalContext, {"res4": "all"})})
    free = _free(network, "norms", "biases")
    assert all(
        name.endswith((".bias", "norm_a.weight", "norm_b.weight", "norm_c.weight", "norm.weight", "transform.1.weight"))
        for name in free
    )
    decayed = {name for name, _ in network.named_parameters()} - free
    assert not any(name.endswith(".bias") or "norm" in name for name in decayed)
    assert _free(network) == set()


def test_the_norms_of_non_local_blocks_can_be_spared_alone() -> None:
    network = Network(SlowOnly(width=8), 5, {"nl": Insertion(NonLocal, {"res4": [0, 2]})})
    free = _free(network, "nonlocal_norms")
    assert len(free) == 4
    assert all(name.endswith((".norm.weight", ".norm.bias")) and "blocks.3" in name for name in free)
    assert free < _free(network, "norms")
    assert not any(name.endswith(("theta.bias", "blocks.5.proj.bias")) for name in _free(network, "norms"))


def test_frozen_parameters_are_left_out() -> None:
    network = Network(SlowOnly(width=4), 5)
    network.blocks[0].requires_grad_(False)
    trained = sum(len(group["params"]) for group in parameter_groups(network))
    assert trained == len(list(network.parameters())) - len(list(network.blocks[0].parameters()))


def test_each_stage_learns_with_its_share_of_the_rate() -> None:
    network = Network(SlowOnly(width=4), 5)
    optimizer = torch.optim.SGD(parameter_groups(network, rates=StageRates(decay=0.5, head=10)), lr=0.2)
    scale_rates(optimizer, None, FOUR_TIMES_SIXTEEN)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    found = [{rates[id(p)] for p in block.parameters()} for block in network.blocks]
    assert found == [{0.2 * 0.5**5}, {0.2 * 0.5**4}, {0.2 * 0.5**3}, {0.2 * 0.5**2}, {0.2 * 0.5}, {2.0}]


def test_a_step_moves_the_head_by_its_multiple_of_the_rate() -> None:
    network = Network(SlowOnly(width=4), 5)
    optimizer = torch.optim.SGD(parameter_groups(network, rates=StageRates(head=4)), lr=0.1)
    scale_rates(optimizer, None, FOUR_TIMES_SIXTEEN)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimizer.step()
    for name, parameter in network.named_parameters():
        moved = 0.4 if name.startswith("blocks.5") else 0.1
        torch.testing.assert_close(before[name] - parameter, torch.full_like(parameter, moved))


def test_rate_is_scaled_to_the_real_number_of_clips_and_said() -> None:
    optimizer = torch.optim.SGD(parameter_groups(Network(SlowOnly(width=4), 5)), lr=0.1)
    said = scale_rates(optimizer, 16, FOUR_TIMES_SIXTEEN)
    assert {group["lr"] for group in optimizer.param_groups} == {0.4}
    assert said.startswith(
        "learning rate 0.1 is meant for 16 clips a step; here 4 devices x 16 videos = 64 clips a step, so it is 0.4"
    )
    assert (
        scale_rates(torch.optim.SGD(parameter_groups(Network(SlowOnly(width=4), 5)), lr=0.1), 64, FOUR_TIMES_SIXTEEN)
        == ""
    )


def test_a_bound_on_the_steps_that_cuts_the_clips_short_is_said() -> None:
    sgd = torch.optim.SGD(parameter_groups(Network(SlowOnly(width=4), 5)), lr=0.1)
    bounded = RunLength(1, 16, 1, 1, batches_per_epoch=10, steps_per_epoch=10, total_steps=100, max_steps=100)
    said = scale_rates(sgd, 64, bounded)
    assert said.endswith("max_steps 100 was meant for such steps, as many clips come with --trainer.max_steps=400")
    by_epochs = RunLength(1, 16, 1, 1, batches_per_epoch=10, steps_per_epoch=10, total_steps=90, max_steps=100)
    assert "max_steps" not in scale_rates(sgd, 64, by_epochs)


def test_rate_of_zero_is_refused() -> None:
    optimizer = torch.optim.SGD(parameter_groups(Network(SlowOnly(width=4), 5)), lr=0.0)
    with pytest.raises(InputError, match=r"the learning rate is 0, so nothing would be learned; set --model.optimizer"):
        scale_rates(optimizer, None, FOUR_TIMES_SIXTEEN)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: check_groups(["norm"], None), "no_decay names 'norm'; expected some of norms, biases, nonlocal_norms"),
        (lambda: check_groups([], 0), "base_batch is 0; expected at least 1 clip"),
        (lambda: StageRates(decay=1.5), "stage_rates.decay is 1.5; expected above 0 to 1"),
        (lambda: StageRates(head=0), "stage_rates.head is 0; expected above 0"),
    ],
)
def test_what_cannot_be_is_refused_with_the_value(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_a_norm_of_a_block_of_any_kind_counts_as_norm() -> None:
    network = Network(SlowOnly(width=8), 5, {"gc": Insertion(GlobalContext, {"res4": "all"})})
    norms = [path for path, module in network.named_modules() if isinstance(module, nn.LayerNorm)]
    assert len(norms) == 6
    assert {f"{path}.weight" for path in norms} < _free(network, "norms")
