from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gcvideo
from gcvideo.errors import InputError
from gcvideo.predictor import Predictor, load
from tests.predicting.conftest import MakeValidated


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Predictor:
    return gcvideo.load(checkpoint, device="cpu")


def test_the_three_lines_of_the_docstring_predict(validated: MakeValidated, tmp_path: Path) -> None:
    """As a script without a guard: processes that look at files must not run it again."""
    made = validated()
    lines = re.search(r"(?:^ {8}.+\n){3}", load.__doc__ or "", re.MULTILINE)
    assert lines is not None
    (tmp_path / "best.ckpt").symlink_to(made.checkpoint)
    (tmp_path / "video.mp4").symlink_to(made.videos[0])
    (tmp_path / "three.py").write_text("".join(line[8:] for line in lines[0].splitlines(keepends=True)))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "three.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"video\.mp4: (jump|run) \d+\.\d %, (jump|run) \d+\.\d %\n", done.stdout)


def test_predictor_knows_its_classes_network_and_preprocessing(model: Predictor) -> None:
    assert model.classes == ("jump", "run")
    assert model.preprocessing.num_frames == 4
    assert model.network(torch.zeros(1, 3, 4, 32, 32, dtype=torch.uint8)).shape == (1, 2)


def test_list_has_an_answer_for_each_in_its_order(model: Predictor, validated: MakeValidated) -> None:
    first, second = validated().videos[:2]
    frames = torch.zeros(9, 40, 60, 3, dtype=torch.uint8)
    found = model.predict([second, frames, first, second], top=1)
    assert [one.path for one in found] == [str(second), "", str(first), str(second)]
    assert found[0] == found[3]
    assert [len(one.labels) for one in found] == [1] * 4
    assert model.predict([]) == []


def test_array_has_the_answer_of_its_tensor(model: Predictor) -> None:
    """Also one that is a view of another, such as a picture of OpenCV with its channels turned round."""
    array = np.random.default_rng(0).integers(0, 256, (9, 40, 60, 3), dtype=np.uint8)
    wanted = model.predict(torch.from_numpy(array))
    turned = np.ascontiguousarray(array[..., ::-1])[..., ::-1]
    turned.flags.writeable = False
    assert model.predict(array) == wanted
    assert model.predict([turned]) == [wanted]


@pytest.mark.parametrize("video", [None, 7, [None], ["video.mp4", 7], b"video.mp4", [[torch.zeros(3)]]])
def test_what_is_no_video_is_an_input_error(model: Predictor, video: Any) -> None:
    with pytest.raises(
        InputError, match=r"expected a file \(str or Path\), frames \(tensor or array\) or a list of them"
    ):
        model.predict(video)


def test_loading_says_nothing_and_leaves_warnings_as_they_were(checkpoint: Path, tmp_path: Path) -> None:
    """On a node of SLURM, where Lightning finds ``srun``; what comes after, of torch or Lightning, is shown."""
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    lines = [
        "import warnings",
        "import gcvideo",
        f"gcvideo.load({str(checkpoint)!r}, device='cpu')",
        "import sys, torch, lightning.fabric",
        "print('loaded', file=sys.stderr)",
        "torch.jit.script(torch.nn.Identity())",
        "lightning.fabric.Fabric(accelerator='cpu', devices=1)",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
    code = [sys.executable, "-W", "always", "-c", "\n".join(lines)]
    done = subprocess.run(code, env=environment, capture_output=True, text=True, check=True)
    before, _, after = done.stderr.partition("loaded\n")
    remarks = ["torch.jit.script` is deprecated", "The `srun` command is available"]
    assert [remark in before for remark in remarks] == [False, False]
    assert [remark in after for remark in remarks] == [True, True]


def test_prediction_ranks_its_classes(model: Predictor, validated: MakeValidated) -> None:
    found = model.predict(validated().videos[0], top=9)
    assert sorted(found.probabilities, reverse=True) == list(found.probabilities)
    assert dict(zip(found.labels, found.probabilities, strict=True)) == dict(
        zip(model.classes, found.scores, strict=True)
    )
    assert sum(found.scores) == pytest.approx(1)
    assert found.label == found.labels[0]


def test_bad_file_frames_or_value_is_an_input_error(model: Predictor, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "page.mp4").write_text("<html>")
    with pytest.raises(InputError, match=r"page\.mp4: cannot be decoded"):
        model.predict(tmp_path / "page.mp4")
    with pytest.raises(InputError, match=r"gone\.mp4: No such file"):
        model.predict("gone.mp4")
    with pytest.raises(InputError, match=r"expected frames uint8 \(T, H, W, 3\)"):
        model.predict(torch.zeros(3, 4, 40, 40))
    with pytest.raises(InputError, match=r"at least one frame, got float64 \(2, 4, 4, 3\)"):
        model.predict(np.zeros((2, 4, 4, 3)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="top is 0"):
        model.predict("gone.mp4", top=0)
    with pytest.raises(InputError, match="views is '3'"):
        model.predict("gone.mp4", views="3")
    with pytest.raises(InputError, match="expected auto, cpu"):
        gcvideo.load(checkpoint, device="abacus")
