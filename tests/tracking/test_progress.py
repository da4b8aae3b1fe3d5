from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gcvideo.tracking.advice import Speed, rate
from gcvideo.tracking.progress import RunProgressBar


@pytest.mark.parametrize(("waited", "shown"), [(0.09, {}), (0.25, {"data wait": 0.25})])
def test_bar_shows_waiting_where_it_is_notable_and_no_version(waited: float, shown: dict[str, float]) -> None:
    throughput: Any = SimpleNamespace(epoch=Speed(10, 40, 1.0, waited))
    trainer: Any = SimpleNamespace(loggers=[], progress_bar_metrics={"train/loss": 0.5, "v_num": 3})
    module: Any = None
    assert RunProgressBar(throughput).get_metrics(trainer, module) == {"train/loss": 0.5, **shown}


def test_clips_a_second_are_as_exact_as_it_is_of_use() -> None:
    assert [rate(value) for value in (0.04, 8.44, 9.96, 10.2, 1234.5)] == ["0.0", "8.4", "10.0", "10", "1234"]
