"""The embedded task needs spacetime: shown on networks that the real commands train."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from gcvideo.data.folder import VideoFolder
from gcvideo.data.motion import PARTNERS
from gcvideo.data.transforms import Augmentation
from gcvideo.models.backbones.c2d import C2D
from gcvideo.models.network import Network
from gcvideo.training.task import ActionRecognition


def _run(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "GCVIDEO_CACHE": str(folder / "cache"), "WANDB_MODE": "disabled"}
    subprocess.run([sys.executable, "-m", "gcvideo", *arguments], cwd=folder, env=environment, check=True)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole ``gcvideo demo``, run as it is shipped."""
    folder = tmp_path_factory.mktemp("demo")
    _run(folder, "demo", "--run_dir", "run")
    return folder


def _top1(run_folder: Path) -> float:
    return float(json.loads((run_folder / "metrics.json").read_text())["test"]["top1"])


def _fit(folder: Path, name: str, *options: str) -> float:
    root = next((folder / "gcvideo-demo").iterdir())
    _run(folder, "fit", "--config", "demo", "--data.root", str(root), "--run_dir", name, "--final_test=true", *options)
    return _top1(folder / name)


@pytest.mark.long
def test_demo_learns_its_task(demo: Path) -> None:
    assert _top1(demo / "run") >= 0.95


def _data(demo: Path) -> VideoFolder:
    options = yaml.safe_load((demo / "run" / "config.yaml").read_text())["data"]["init_args"]
    options["augmentation"] = Augmentation(**options["augmentation"])
    options["root"] = str(demo / options["root"])
    data = VideoFolder(**options)
    data.prepare_data()
    return data


@pytest.mark.long
def test_clip_played_backwards_becomes_the_partner_class(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCVIDEO_CACHE", str(demo / "cache"))
    data = _data(demo)
    task = ActionRecognition.load_from_checkpoint(demo / "run" / "best.ckpt", weights_only=True).eval()
    partner = {**PARTNERS, **{b: a for a, b in PARTNERS.items()}}
    turned = total = 0
    for batch in data.test_dataloader():
        clips = batch.clips.flatten(0, 1)
        with torch.inference_mode():
            forwards, backwards = (task(c).argmax(dim=1).tolist() for c in (clips, clips.flip(2)))
        turned += sum(data.classes[b] == partner[data.classes[f]] for f, b in zip(forwards, backwards, strict=True))
        total += len(forwards)
    assert total == 160
    assert turned / total >= 0.9


@pytest.mark.long
def test_single_frames_do_not_tell_the_class(demo: Path) -> None:
    assert _fit(demo, "one-frame", "--data.num_frames=1") <= 0.25


def test_c2d_cannot_tell_a_clip_from_its_reversal() -> None:
    """So on pairs of classes that are each other's reversal it is right in at most half of the cases."""
    torch.manual_seed(0)
    network = Network(C2D(width=8, zero_init_last_bn=False), 8).eval()
    clips = torch.rand(2, 3, 8, 64, 64)
    torch.testing.assert_close(network(clips.flip(2)), network(clips))


@pytest.mark.long
def test_c2d_of_the_same_width_does_not_learn_it(demo: Path) -> None:
    assert _fit(demo, "c2d", "--model.backbone=C2D", "--model.backbone.width=8") <= 0.6
