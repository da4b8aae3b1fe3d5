from __future__ import annotations

import pytest

from gcvideo.errors import InputError
from gcvideo.predicting.prediction import Prediction
from gcvideo.predicting.probed import Windows
from gcvideo.predicting.segments import merged, window_at


def _window(start: float, run: float, path: str = "a.mp4") -> Prediction:
    """Two seconds in which the class ``run`` has this probability and ``jump`` the rest."""
    labels = ("run", "jump") if run > 0.5 else ("jump", "run")
    scores = (1 - run, run)
    return Prediction(path, labels, tuple(sorted(scores, reverse=True)), scores, "", start, start + 2)


@pytest.mark.parametrize(
    ("windows", "duration", "parts"),
    [
        (Windows(2, 1), 4.0, [(0, 2), (1, 3), (2, 4)]),
        (Windows(2, 2), 5.0, [(0, 2), (2, 4), (3, 5)]),
        (Windows(2, 1), 1.5, [(0, 1.5)]),
        (Windows(2, 5), 9.0, [(0, 2), (5, 7), (7, 9)]),
        (Windows(0.1, 0.1), 0.3, [(0, 0.1), (0.1, 0.2), (0.2, 0.3)]),
        (Windows(3, 1), 3.0, [(0, 3)]),
    ],
)
def test_windows_begin_a_stride_apart_and_the_last_ends_with_the_video(
    windows: Windows, duration: float, parts: list[tuple[float, float]]
) -> None:
    found = windows.parts(duration)
    assert [start for start, _ in found] == pytest.approx([start for start, _ in parts])
    assert [end for _, end in found] == pytest.approx([end for _, end in parts])


@pytest.mark.parametrize("values", [(0, 1), (1, 0), (-1, 1), (float("nan"), 1), (float("inf"), 1)])
def test_windows_of_no_length_are_refused(values: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="expected seconds above 0"):
        Windows(*values)


def test_neighbours_of_one_class_are_one_segment_with_their_mean() -> None:
    first, second = merged([_window(0, 0.9), _window(1, 0.7), _window(2, 0.2)], ("jump", "run"))
    assert (first.label, first.start, first.end) == ("run", 0, 2.5)
    assert first.probabilities == pytest.approx((0.8, 0.2))
    assert (second.label, second.start, second.end) == ("jump", 2.5, 4)


def test_segments_do_not_reach_over_gaps_classes_or_videos() -> None:
    segments = merged([_window(0, 0.9), _window(4, 0.1), _window(0, 0.1, "b.mp4")], ("jump", "run"))
    assert [(one.path, one.start, one.end) for one in segments] == [("a.mp4", 0, 2), ("a.mp4", 4, 6), ("b.mp4", 0, 2)]


def test_moment_belongs_to_the_window_whose_middle_is_nearest() -> None:
    windows = [_window(0, 0.9), _window(1, 0.1), _window(2, 0.9)]
    assert [window_at(windows, second).start for second in (0, 1.4, 1.6, 2.4, 2.6, 9)] == [0, 0, 1, 1, 2, 2]
