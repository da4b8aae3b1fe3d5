from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gcvideo.errors import InputError
from gcvideo.training.run_length import RunLength, num_optimizer_steps, run_length


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
    with pytest.raises(InputError, match=r"set --trainer.max_epochs or --trainer.max_steps"):
        num_optimizer_steps(27, -1, 1, -1)


def test_clips_of_a_step_are_counted_over_devices_views_and_accumulated_batches() -> None:
    length = RunLength(4, 8, 2, 3, batches_per_epoch=9, steps_per_epoch=3, total_steps=30)
    assert length.clips_per_step == 192
    assert str(length) == "4 devices x 8 videos x 2 clips x 3 batches = 192 clips a step"
    assert str(RunLength(1, 16, 1, 1, 9, 9, 90)) == "1 device x 16 videos = 16 clips a step"


def _length(batches: int, limit: int | float) -> RunLength:
    """Of a run of two epochs with such a loader and ``limit_train_batches``."""
    data = SimpleNamespace(train_dataloader=lambda: range(batches), batch_size=4, clips_per_video=1)
    options = {"max_epochs": 2, "max_steps": -1, "accumulate_grad_batches": 1, "world_size": 1}
    trainer: Any = SimpleNamespace(datamodule=data, limit_train_batches=limit, **options)
    return run_length(trainer)


@pytest.mark.parametrize(("limit", "left"), [(1.0, 9), (0.5, 4), (0.12, 1), (1, 1), (3, 3), (100, 9)])
def test_part_of_an_epoch_is_counted_as_lightning_counts_it(limit: int | float, left: int) -> None:
    assert _length(9, limit).total_steps == 2 * left


def test_run_without_a_step_is_refused() -> None:
    with pytest.raises(InputError, match=r"limit_train_batches=0.1 leaves none of the 9 batches .*; leave it out, or"):
        _length(9, 0.1)
    with pytest.raises(InputError, match=r"do not fill one batch on each device; lower --data.batch_size"):
        _length(0, 1.0)
