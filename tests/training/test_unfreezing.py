from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer
from torch.utils.data import DataLoader

from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.blocks.non_local import NonLocal
from gcvideo.models.sites import Insertion
from gcvideo.records import Batch, Sample
from gcvideo.training.schedule import Schedule
from gcvideo.training.task import ActionRecognition

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable.*"),
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As fast for so small a network, and as fast where others compute too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


States = list[dict[str, Tensor]]
PLAIN = partial(SGD, lr=0.001)
BLOCKS = {"stem": 0, "res2": 1, "res3": 2, "res4": 3, "res5": 4, "head": 5}


class _Noise(LightningDataModule):
    """Three batches of two clips of noise an epoch, others on each rank."""

    batch_size, clips_per_video = 2, 1

    def train_dataloader(self) -> DataLoader[Any]:
        generator = torch.Generator().manual_seed(self.trainer.global_rank if self.trainer else 0)
        pixels = torch.randint(0, 256, (3, 2, 1, 3, 2, 32, 32), generator=generator, dtype=torch.uint8)
        batches: Any = [
            Batch.collate([Sample(clips, index, index, torch.arange(1)) for index, clips in enumerate(batch)])
            for batch in pixels
        ]
        return DataLoader(batches, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.train_dataloader().dataset[:1], batch_size=None)


class _Snapshots(Callback):
    """What the network is at the start and after each epoch."""

    def __init__(self) -> None:
        self.states: States = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.on_train_epoch_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.states.append({name: value.clone() for name, value in pl_module.state_dict().items()})


class _SavedSnapshots(_Snapshots):
    """Likewise on each rank, as a file."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.save(self.states, self.folder / f"{trainer.global_rank}.pt")


def _task(
    unfreeze_at: dict[str, int], optimizer: Callable[..., Optimizer] = PLAIN, **options: Any
) -> ActionRecognition:
    torch.manual_seed(0)
    options = {"schedule": Schedule("constant", warmup=0.0), "pretrained": None, **options}
    context = options.pop("context", {"gc": Insertion(GlobalContext, {"res5": "all"})})
    backbone = SlowOnly(width=4, zero_init_last_bn=False, frozen_stages=options.pop("frozen_stages", ()))
    return ActionRecognition(backbone, 2, context, optimizer=optimizer, unfreeze_at=unfreeze_at, **options)


def _trainer(*callbacks: Callback, epochs: int, **options: Any) -> Trainer:
    options = {"accelerator": "cpu", "devices": 1, "enable_checkpointing": False, "val_check_interval": 2, **options}
    return Trainer(
        max_epochs=epochs, callbacks=[*callbacks], logger=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, **options,
    )  # fmt: skip


def _states(task: ActionRecognition, epochs: int, **options: Any) -> States:
    snapshots = _Snapshots()
    _trainer(snapshots, epochs=epochs, **options).fit(task, datamodule=_Noise())
    assert len(snapshots.states) == epochs + 1
    return snapshots.states


def _own(state: dict[str, Tensor], stage: str) -> set[str]:
    """Names of what a stage has, context blocks left aside."""
    names = {name for name in state if name.startswith(f"network.blocks.{BLOCKS[stage]}.")}
    return {name for name in names if not {"gc", "nl"} & set(name.split("."))}


def _moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize(
    "optimizer", [partial(SGD, lr=0.001, momentum=0.9, weight_decay=0.1), partial(AdamW, lr=0.001, weight_decay=0.1)]
)
@pytest.mark.parametrize("accumulation", [1, 2])
def test_stage_is_as_it_was_loaded_until_its_epoch_and_trained_from_there(
    optimizer: Callable[..., Optimizer], accumulation: int
) -> None:
    task = _task({"res5": 1, "res2": 2}, optimizer)
    states = _states(task, 3, accumulate_grad_batches=accumulation)
    moved = [_moved(before, after) for before, after in pairwise(states)]
    trained = {0: {"stem", "res3", "res4", "head"}, 1: {"stem", "res3", "res4", "head", "res5"}, 2: set(BLOCKS)}
    for epoch, stages in trained.items():
        for stage in BLOCKS:  # weights, statistics of the norms and their counters
            assert _own(states[0], stage) & moved[epoch] == (_own(states[0], stage) if stage in stages else set())


def test_context_block_in_a_stage_that_is_held_is_trained_from_the_start() -> None:
    context = {"gc": Insertion(GlobalContext, {"res4": "all"}), "nl": Insertion(NonLocal, {"res5": [1]})}
    before, after = _states(_task({"res4": 1, "res5": 1}, context=context), 1)
    blocks = {name for name in before if {"gc", "nl"} & set(name.split("."))}
    moved = _moved(before, after)
    for path in (
        "blocks.3.res_blocks.5.branch_fusion.after_1x1.gc.",
        "blocks.4.res_blocks.1.branch_fusion.after_1x1.nl.",
    ):
        assert any(name.startswith(f"network.{path}") for name in moved & blocks)
    (statistics,) = (name for name in blocks if name.endswith("running_mean"))
    assert statistics in moved, "the norm of a non-local block is part of the block"
    assert not moved & (_own(before, "res4") | _own(before, "res5"))


def test_first_step_of_a_stage_has_no_momentum_of_gradients_before_it() -> None:
    class FirstStep(Callback):
        """Of one weight of res5: it, its gradient, and what it becomes."""

        def on_before_optimizer_step(self, trainer: Trainer, pl_module: Any, optimizer: Optimizer) -> None:
            weight = pl_module.network.blocks[4].res_blocks[0].branch2.conv_a.weight
            if trainer.current_epoch == 1 and not hasattr(self, "gradient"):
                self.before, self.gradient = weight.detach().clone(), weight.grad.clone()

        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
            if hasattr(self, "gradient") and not hasattr(self, "after"):
                self.after = pl_module.network.blocks[4].res_blocks[0].branch2.conv_a.weight.detach().clone()

    step = FirstStep()
    task = _task({"res5": 1}, partial(SGD, lr=0.001, momentum=0.9))
    _trainer(step, epochs=2).fit(task, datamodule=_Noise())
    torch.testing.assert_close(step.after, step.before - 0.001 * step.gradient)
    assert not torch.equal(step.after, step.before)


def test_gradients_are_clipped_by_the_norm_of_what_is_trained() -> None:
    """At a rate of 1, what a clipped step moves is as long as the bound."""
    held = dict.fromkeys(["stem", "res2", "res3", "res4", "res5"], 1)
    task = _task(held, partial(SGD, lr=1.0), context=None)
    before, after = _states(task, 1, limit_train_batches=1, val_check_interval=1, gradient_clip_val=0.01)
    assert _moved(before, after) == _own(before, "head")
    length = torch.cat([(after[name] - before[name]).flatten() for name in before]).norm()
    assert float(length) == pytest.approx(0.01, rel=1e-3)


def test_run_that_goes_on_within_an_epoch_holds_the_same_stages(tmp_path: Path) -> None:
    class SavesWithin(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            if trainer.global_step == 2:
                trainer.save_checkpoint(tmp_path / "within.ckpt")

    _trainer(SavesWithin(), epochs=1).fit(_task({"res5": 1}), datamodule=_Noise())
    snapshots = _Snapshots()
    trainer = _trainer(snapshots, epochs=2)
    trainer.fit(_task({"res5": 1}), datamodule=_Noise(), ckpt_path=tmp_path / "within.ckpt", weights_only=False)
    start, first, second = snapshots.states
    assert trainer.global_step == 6
    assert not _own(start, "res5") & _moved(start, first)
    assert _own(start, "res4") < _moved(start, first)
    assert _own(start, "res5") < _moved(first, second)


@pytest.mark.long
def test_two_ranks_hold_and_train_the_same_and_stay_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real processes, gloo; each sees other clips."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    strategy = DDPStrategy(start_method="spawn", process_group_backend="gloo")
    trainer = _trainer(_SavedSnapshots(tmp_path), epochs=3, devices=2, strategy=strategy)
    task = _task({"res5": 1, "res3": 2}, partial(SGD, lr=0.001, momentum=0.9))
    trainer.fit(task, datamodule=_Noise())
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    parameters = {name for name, _ in task.named_parameters()}
    for epoch in range(4):
        assert not parameters & _moved(one[epoch], other[epoch])
    moved = [_moved(before, after) & parameters for before, after in pairwise(one)]
    for stage, first in {"res5": 1, "res3": 2, "stem": 0}.items():
        own = _own(one[0], stage) & parameters
        assert [moved[epoch] & own for epoch in range(3)] == [set()] * first + [own] * (3 - first)


@pytest.mark.parametrize(
    ("unfreeze_at", "options", "message"),
    [
        ({"res6": 1}, {}, "unfreeze_at names 'res6'; expected some of stem, res2, res3, res4, res5"),
        ({"head": 1}, {}, "unfreeze_at names 'head'; expected some of stem, res2, res3, res4, res5"),
        ({"res5": -1}, {}, r"unfreeze_at.res5 is -1; expected an epoch, 0 \(from the start\) or more"),
        ({"res2": 3}, {"frozen_stages": ["stem", "res2"]}, "unfreeze_at.res2 is 3, but .*frozen_stages holds res2 for"),
    ],
)
def test_what_cannot_be_held_is_refused(unfreeze_at: dict[str, int], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _task(unfreeze_at, **options)


def test_stage_that_the_run_does_not_come_to_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        _states(_task({"res5": 1, "res2": 7}), 2)
    assert "lets res2 (epoch 7) go after the end of the run, whose last epoch is 1 (counted from 0)" in caplog.text
    assert "res5" not in caplog.text
    assert "holds stages as they were drawn at random; name weights with --model.pretrained" in caplog.text
