from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from gcvideo.tracking.checkpoints import BestCheckpoint
from gcvideo.tracking.last_validation import LastValidation


class EverWorse(LightningModule):
    """One weight; the first validation is the best and each later one a little worse."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.validated_at: list[int] = []

    def training_step(self, batch: list[Tensor]) -> Tensor:
        return self.weight.sum()

    def validation_step(self, batch: list[Tensor]) -> None:
        self.validated_at.append(self.trainer.global_step)
        self.log_dict({"val/top1": 1 / (1 + self.trainer.global_step), "val/loss": 1.0}, batch_size=1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class StopAfter(Callback):
    """What a time limit does: it ends the run at once, and this epoch is validated."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Trainer, *args: object) -> None:
        if trainer.global_step == self.step:
            trainer.should_stop = True
            trainer.check_val_every_n_epoch = 1


def _fit(
    folder: Path,
    *,
    epochs: int,
    batches: int = 1,
    best_after: float = 0.95,
    stop: int = 0,
    max_steps: int = -1,
    state: dict[str, Any] | None = None,
) -> tuple[list[int], int]:
    """Trains with a validation every fifth epoch; gives the steps that were validated, and that of ``best.ckpt``."""
    best, module = BestCheckpoint(best_after), EverWorse()
    best.dirpath = str(folder)
    if state is not None:
        best.load_state_dict(state)
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=epochs,
        max_steps=max_steps,
        check_val_every_n_epoch=5,
        callbacks=[LastValidation(), *([StopAfter(stop)] if stop else []), best],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    training, validation = (DataLoader(TensorDataset(torch.zeros(length, 1))) for length in (batches, 1))
    trainer.fit(module, training, validation)
    return module.validated_at, int(torch.load(folder / "best.ckpt", weights_only=True)["global_step"])


pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")


def test_best_is_of_the_last_twentieth_for_every_length_of_a_run(tmp_path: Path) -> None:
    for epochs in range(1, 91):
        validated, best = _fit(tmp_path / str(epochs), epochs=epochs)
        assert validated == [*range(5, epochs, 5), epochs], "the last epoch, too, and none twice"
        assert best == min(step for step in validated if step > 0.95 * epochs), epochs


@pytest.mark.filterwarnings("ignore:.*exists and is not empty")
def test_best_that_is_newer_than_the_last_checkpoint_is_found_again(tmp_path: Path) -> None:
    """A run that was killed after its first validation, before it saved that epoch, has it anew."""
    before_any = BestCheckpoint().state_dict()
    expected = _fit(tmp_path, epochs=12, best_after=0.0)
    assert _fit(tmp_path, epochs=12, best_after=0.0, state=before_any) == expected == ([5, 10, 12], 5)


def test_best_of_a_whole_run_may_be_any_where_nothing_begins_anew(tmp_path: Path) -> None:
    assert _fit(tmp_path, epochs=12, best_after=0.0) == ([5, 10, 12], 5)


@pytest.mark.parametrize(("max_steps", "expected"), [(90, 90), (89, 89), (61, 60), (3, 3), (500, 90)])
def test_end_that_steps_set_is_the_one_that_counts(tmp_path: Path, max_steps: int, expected: int) -> None:
    """Two batches an epoch, 46 epochs: 92 steps, or fewer."""
    validated, best = _fit(tmp_path, epochs=46, batches=2, best_after=0.94, max_steps=max_steps)
    assert validated[-1] == min(max_steps, 92)
    assert best == expected


@pytest.mark.parametrize("stop", [1, 9, 50, 87])
def test_last_validation_counts_where_a_run_is_stopped_before_its_planned_end(tmp_path: Path, stop: int) -> None:
    validated, best = _fit(tmp_path, epochs=90, stop=stop)
    assert (validated[-1], best) == (stop, stop)
