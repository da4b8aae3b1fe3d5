from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gcvideo.data.preprocessing import Views
from gcvideo.errors import InputError
from gcvideo.predicting.devices import make_fabric, split_device
from gcvideo.predicting.predict import predict_files
from gcvideo.predicting.prediction import Prediction, Unpredicted
from gcvideo.predicting.probed import NOT_REACHED
from gcvideo.predicting.saved_model import load_model
from gcvideo.predicting.scoring import Scoring
from gcvideo.predicting.stopping import StopRequest
from tests.predicting.conftest import MakeValidated

CPU = make_fabric("cpu", 1, "32-true")


class _AfterLooks:
    """An event that is set once it was looked at so many times."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_video_is_done_when_all_of_its_clips_are_and_an_end_loses_no_other(validated: MakeValidated) -> None:
    """Five videos of three clips; the end comes after seven of these, in the middle of the third video.

    It is asked for after each of the five files that is looked at, once before the network, and before each clip.
    """
    made = validated()
    saved, scoring = load_model(made.checkpoint), Scoring(Views(3, 1, 32), batch_size=1)
    stop = StopRequest()
    stop.event = _AfterLooks(5 + 1 + 7)  # type: ignore[assignment]
    whole = predict_files(saved, made.videos, scoring, CPU)
    partly = predict_files(saved, made.videos, scoring, CPU, stop=stop)
    assert (whole.is_whole, partly.is_whole) == (True, False)
    assert [type(one) for one in partly.all] == [Prediction] * 2 + [Unpredicted] * 3
    assert partly.all[:2] == whole.all[:2]
    assert [one.path for one in partly.all] == [str(path) for path in made.videos]


def test_end_while_files_are_looked_at_leaves_the_rest_not_reached(validated: MakeValidated, tmp_path: Path) -> None:
    """The third file is no video; the end comes while it is looked at."""
    made = validated()
    (tmp_path / "page.mp4").write_text("<html>")
    paths = [*made.videos[:2], tmp_path / "page.mp4", *made.videos[2:]]
    stop = StopRequest()
    stop.event = _AfterLooks(2)  # type: ignore[assignment]
    found = predict_files(load_model(made.checkpoint), paths, Scoring(Views(1, 1, 32)), CPU, stop=stop)
    assert not found.is_whole
    assert [(one.path, isinstance(one, Unpredicted)) for one in found.all] == [(str(path), True) for path in paths]
    reasons = [one.reason for one in found.failed]
    assert "cannot be decoded" in reasons.pop(2)
    assert set(reasons) == {NOT_REACHED}


def test_logits_are_averaged_where_the_training_did_so(validated: MakeValidated) -> None:
    made = validated()
    saved, scoring = load_model(made.checkpoint), Scoring(Views(1, 3, 16))
    by_probability = predict_files(saved, made.videos[:1], scoring, CPU).done[0]
    by_logit = predict_files(replace(saved, view_average="logits"), made.videos[:1], scoring, CPU).done[0]
    assert by_logit.scores != by_probability.scores
    assert by_logit.scores == pytest.approx(by_probability.scores, abs=1e-2)


def test_file_that_changes_after_it_was_looked_at_is_a_failure(validated: MakeValidated, tmp_path: Path) -> None:
    from gcvideo.predicting.probed import probe_files
    from gcvideo.predicting.scoring import score_videos
    from gcvideo.records import VideoRecord

    made = validated()
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(made.videos[0].read_bytes())
    records = [one for one in probe_files([copy, made.videos[1]]) if isinstance(one, VideoRecord)]
    copy.write_bytes(b"shorter")
    scores = score_videos(load_model(made.checkpoint), records, Scoring(Views(2, 1, 32)), CPU)
    assert list(scores.probabilities) == [1]
    assert "has changed since" in scores.failures[0]
    copy.unlink()
    alone = score_videos(load_model(made.checkpoint), records[:1], Scoring(Views(2, 1, 32)), CPU)
    assert (alone.probabilities, list(alone.failures)) == ({}, [0])


def test_network_that_has_diverged_is_named(validated: MakeValidated) -> None:
    made = validated()
    saved = load_model(made.checkpoint)
    with torch.no_grad():
        next(saved.network.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match="not finite numbers"):
        predict_files(saved, made.videos[:1], Scoring(Views(1, 1, 32)), CPU)


@pytest.mark.parametrize("device", ["gpu:x", "tpu", "cuda:", "cpu:1", ""])
def test_device_that_is_none_is_refused(device: str) -> None:
    with pytest.raises(InputError, match="expected auto, cpu, cuda"):
        split_device(device)


def test_device_may_have_a_number() -> None:
    assert split_device("cuda:1") == ("cuda", [1])
