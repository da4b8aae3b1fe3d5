from __future__ import annotations

import pytest

from gcvideo.errors import InputError
from gcvideo.training.run_length import RunLength, num_optimizer_steps


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
