from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn

from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.blocks.non_local import NonLocal
from gcvideo.models.network import Network
from gcvideo.models.norms import FrozenBatchNorm3d
from gcvideo.models.sites import Insertion
from gcvideo.records import Batch
from gcvideo.training.precise_bn import norms_in_training, set_precise_statistics

State = dict[str, Tensor]


def _network(**backbone: Any) -> Network:
    """Norms of all kinds of places, each of which does something."""
    torch.manual_seed(0)
    insertions = {"nl": Insertion(partial(NonLocal), {"res3": "last"})}
    return Network(SlowOnly(width=8, zero_init_last_bn=False, **backbone), 3, insertions)


def _batch(number: int, valid: Sequence[bool] = (True, True, True)) -> Batch:
    """Three videos of two views."""
    generator = torch.Generator().manual_seed(number)
    videos = len(valid)
    return Batch(
        clips=torch.randint(0, 256, (videos, 2, 3, 2, 32, 32), dtype=torch.uint8, generator=generator),
        labels=torch.zeros(videos, dtype=torch.long),
        video_indices=torch.arange(videos),
        view_indices=torch.arange(2).expand(videos, 2),
        valid=torch.tensor(valid)[:, None].expand(videos, 2),
    )


def _only_valid(batch: Batch) -> Batch:
    kept = batch.valid[:, 0]
    parts = (batch.clips, batch.labels, batch.video_indices, batch.view_indices, batch.valid)
    clips, labels, videos, views, valid = (part[kept] for part in parts)
    return Batch(clips, labels, videos, views, valid)


def _set(network: Network, batches: Sequence[Batch]) -> State:
    """The running statistics that are set in a network of this kind."""
    norms = norms_in_training(network.train())
    set_precise_statistics(network.eval(), norms, batches)
    return _statistics(network)


def _statistics(network: nn.Module) -> State:
    return {name: value.clone() for name, value in network.state_dict().items() if "running_" in name}


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_statistics_are_those_of_all_values_that_come_into_a_norm(precision: torch.dtype) -> None:
    network, batches = _network().to(memory_format=torch.channels_last_3d), [_batch(number) for number in range(3)]
    came: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda norm, inputs: came.setdefault(name, []).append(inputs[0].double())

    norms = {name: part for name, part in network.named_modules() if isinstance(part, nn.BatchNorm3d)}
    hooks = [norm.register_forward_pre_hook(keep(name)) for name, norm in norms.items()]
    with torch.autocast("cpu", precision, enabled=precision != torch.float32), torch.no_grad():
        for batch in batches:
            network.train()(batch.clips.flatten(0, 1))
        for hook in hooks:
            hook.remove()
        found = _set(network, batches)
    assert len(norms) > 50
    for name in norms:
        values = torch.cat(came[name]).transpose(0, 1).flatten(1)
        assert values.shape[1] >= 3 * 6 * 2
        torch.testing.assert_close(found[f"{name}.running_mean"].double(), values.mean(1), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found[f"{name}.running_var"].double(), values.var(1), rtol=1e-5, atol=1e-9)


def test_nothing_but_the_statistics_changes() -> None:
    network = _network()
    norms = norms_in_training(network)
    network.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.get_rng_state()
    set_precise_statistics(network, norms, [_batch(0)])
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(module.training for module in network.modules())
    assert all(norm.track_running_stats and not norm._forward_pre_hooks for norm in norms)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == set(_statistics(network))


def test_norms_that_stand_still_are_left_alone() -> None:
    network = _network(frozen_stages=["stem", "res2"])
    held = network.blocks[2]
    for norm in (part for part in held.modules() if isinstance(part, nn.BatchNorm3d)):
        norm.eval()
    norms = norms_in_training(network)
    before = _statistics(network)
    set_precise_statistics(network.eval(), norms, [_batch(0)])
    changed = {name for name, value in _statistics(network).items() if not torch.equal(value, before[name])}
    assert {name.split(".")[1] for name in changed} == {"3", "4"}
    assert not any(isinstance(norm, FrozenBatchNorm3d) for norm in norms)


def test_unreadable_videos_count_for_nothing() -> None:
    batches = [_batch(0, [True, False, True]), _batch(1, [False, False]), _batch(2)]
    expected = _set(_network(), [_only_valid(batches[0]), batches[2]])
    found = _set(_network(), batches)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize("batches", [[], [_batch(1, [False, False])]])
def test_without_a_readable_clip_the_statistics_stay(batches: list[Batch]) -> None:
    network = _network()
    network.train()(_batch(5).clips.flatten(0, 1))
    before = _statistics(network)
    found = _set(network, batches)
    assert all(torch.equal(found[name], value) for name, value in before.items())


@pytest.mark.parametrize("backbone", [{"norm": "sync"}, {"checkpointed_stages": ["res3"]}])
def test_other_kinds_of_norms_and_stages_give_the_same(backbone: dict[str, Any]) -> None:
    batches = [_batch(0), _batch(1)]
    expected, found = _set(_network(), batches), _set(_network(**backbone), batches)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_compiled_network_gives_the_same() -> None:
    compiled = _network()
    compiled.compile(backend="eager")
    expected, found = _set(_network(), [_batch(0)]), _set(compiled, [_batch(0)])
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def _work(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.set_num_threads(1)
    batches = [_batch(rank), _batch(2 + rank, [True, rank == 0, True])]  # the ranks have 6 and 5 videos
    torch.save(_set(_network(), batches), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_ranks_give_the_statistics_of_all_their_batches(tmp_path: Path) -> None:
    """Real processes."""
    expected = _set(_network(), [_batch(0), _batch(1), _batch(2), _batch(3, [True, False, True])])
    spawn(_work, (str(tmp_path),), nprocs=2)  # type: ignore[no-untyped-call]
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name, value in expected.items():
        assert torch.equal(ranks[0][name], ranks[1][name])
        torch.testing.assert_close(ranks[0][name], value, rtol=1e-5, atol=1e-6)
