"""The script beside an exported file does what validation does, without gcvideo."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as F

from gcvideo.data.clips import choose_clips
from gcvideo.data.dataset import timeline_of, views_of
from gcvideo.data.decoding.reading import ClipReader, Reading
from gcvideo.data.encode import write_video
from gcvideo.data.indexing.probe import probe_video
from gcvideo.exporting import sidecar
from gcvideo.exporting.export import export_model
from gcvideo.exporting.formats import ONNX
from gcvideo.exporting.script import script
from gcvideo.predicting.saved_model import SavedModel
from gcvideo.records import VideoRecord
from tests.conftest import numbered_frames, video_record, write_variable_rate
from tests.exporting.saved_models import network, saved

pytest.importorskip("onnxruntime")
# Neither gcvideo nor, for ONNX, torch can be imported there.
_ALONE = """
import json, runpy, sys
for name in sys.argv[3].split(","): sys.modules[name] = None
print(json.dumps(runpy.run_path(sys.argv[1])["probabilities"](sys.argv[2]).tolist()))
"""


def _written(folder: Path, **values: Any) -> tuple[SavedModel, dict[str, Any]]:
    """The script's functions, without a model beside it."""
    model = saved(folder, network(), **values)
    sidecar.write(folder / "m.onnx.json", sidecar.description(model, ONNX, (1, 3, 4, 48, 48), (), {}))
    path = folder / "run.py"
    path.write_text(script(model, ONNX, "m.onnx", "m.onnx.json"), encoding="utf-8")
    return model, runpy.run_path(str(path))


def _record(video: Path) -> VideoRecord:
    """As the index measures it."""
    probe = probe_video(video)
    measured = {name: getattr(probe, name) for name in ("fps", "is_vfr", "width", "height", "codec", "readers")}
    return video_record(video, num_frames=len(probe.times), duration=probe.duration, damage=probe.damage, **measured)


def _validated(model: SavedModel, video: Path, reader: Literal["auto", "pyav"] = "auto") -> torch.Tensor:
    """The pixels of the one view of validation, (1, 3, T, h, w)."""
    record, how, clips = _record(video), model.preprocessing, ClipReader(Reading(reader))
    spec = how.clip_spec(1)
    indices = choose_clips(spec, timeline_of(record, spec, clips))
    return views_of(record, indices, clips, how.transform(how.val_views))[0]


@pytest.mark.parametrize("seed", range(3))
def test_its_resize_is_torchvisions_to_the_last_bit(seed: int, tmp_path: Path) -> None:
    resized = _written(tmp_path)[1]["resized"]
    generator = np.random.default_rng(seed)
    for _ in range(8):
        height, width, size = (int(value) for value in generator.integers(20, 300, 3))
        pictures = generator.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
        wanted = F.resize(torch.from_numpy(pictures).permute(0, 3, 1, 2), [size], antialias=True).permute(0, 2, 3, 1)
        found = resized(resized(pictures, 2, wanted.shape[2]), 1, wanted.shape[1])
        np.testing.assert_array_equal(found, wanted.numpy())


@pytest.mark.parametrize("values", [{"short": "hold"}, {}, {"sampling": "segments"}, {"target_fps": 12.5}], ids=str)
@pytest.mark.parametrize("num_frames", [1, 5, 40])
def test_it_takes_the_frames_of_validation(values: dict[str, Any], num_frames: int, tmp_path: Path) -> None:
    model, functions = _written(tmp_path, **values)
    video = tmp_path / "v.mp4"
    write_video(video, numbered_frames(num_frames), fps=25)
    record, spec = _record(video), model.preprocessing.clip_spec(1)
    wanted = choose_clips(spec, timeline_of(record, spec, ClipReader(Reading())))[0]
    assert functions["frame_numbers"](str(video)).tolist() == wanted.tolist()


@pytest.mark.parametrize("short", ["loop", "hold"])
@pytest.mark.parametrize("num_frames", [4, 30])
def test_it_takes_the_moments_of_validation_in_a_video_of_changing_rate(
    short: str, num_frames: int, tmp_path: Path
) -> None:
    model, functions = _written(tmp_path, short=short, target_fps=8.0)
    lengths = [20 if number < num_frames // 3 else 90 for number in range(num_frames)]
    video = write_variable_rate(tmp_path / "v.mp4", lengths)
    record, spec = _record(video), model.preprocessing.clip_spec(1)
    assert record.is_vfr
    wanted = choose_clips(spec, timeline_of(record, spec, ClipReader(Reading())))[0]
    assert functions["frame_numbers"](str(video)).tolist() == wanted.tolist()


def _real_video(folder: Path, size: tuple[int, int]) -> Path:
    """Coarse colours that change, of a size that is no multiple of anything."""
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (20, 11, 13, 3), dtype=np.uint8).repeat(10, 1).repeat(10, 2)
    write_video(folder / "v.mp4", frames[:, : size[0], : size[1]], fps=25)
    return folder / "v.mp4"


@pytest.mark.parametrize(
    "kind", ["onnx", pytest.param("torch-export", marks=pytest.mark.long)], ids=["onnx", "torch-export"]
)
def test_it_gives_the_probabilities_of_validation_where_gcvideo_is_not(kind: str, tmp_path: Path) -> None:
    """Landscape and portrait; the pixels are equal, so the probabilities are to 1e-5."""
    model = saved(tmp_path, network())
    exported = export_model(model, kind, dynamic="batch")
    for size in ((74, 102), (110, 86)):
        video = _real_video(tmp_path, size)
        with torch.inference_mode():
            wanted = model.network(_validated(model, video)).softmax(1)[0]
        found = _alone(exported.beside[1], video, kind, tmp_path)
        np.testing.assert_allclose(found, wanted.numpy(), rtol=0, atol=1e-5)
        assert max(found) - min(found) > 0.01


def _alone(path: Path, video: Path, kind: str, folder: Path) -> list[float]:
    forbidden = "gcvideo,torch,torchvision" if kind == "onnx" else "gcvideo"
    command = [sys.executable, "-I", "-W", "ignore", "-c", _ALONE, str(path), str(video), forbidden]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, env=_plain())
    probabilities: list[float] = json.loads(done.stdout)
    return probabilities


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@pytest.mark.long
def test_it_reads_the_zoo_as_validation_does(shared_data: Path, tmp_path: Path) -> None:
    """Turned, odd, 10 bit, interlaced, with a cover picture, of changing rate: the same pixels.

    Of PyAV, that is: decord differs from it in the colours of 10 bit and odd sizes (docs/DECODING.md).
    """
    model, functions = _written(tmp_path, short_side_px=96, crop_px=80)
    names = "h264_bframes_longgop.mp4 rotate90_phone.mp4 rotate180.mp4 odd_171x129_vp9.webm h264_10bit.mp4 hevc.mp4"
    for name in f"{names} interlaced.mp4 with_cover_picture.mp4 vfr.mp4 full_range_yuvj420p.mp4 portrait.mp4".split():
        video = shared_data / "zoo" / name
        wanted = _validated(model, video, "pyav")
        found = functions["clip_of"](str(video))
        np.testing.assert_array_equal(found, wanted[0].numpy(), err_msg=name)


def test_it_prints_the_likeliest_classes(tmp_path: Path) -> None:
    model = saved(tmp_path, network())
    exported = export_model(model, "torch-export", dynamic="none")
    video = _real_video(tmp_path, (74, 102))
    command = [sys.executable, "-W", "ignore", str(exported.beside[1]), str(video)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=_plain())
    rows = [line.split() for line in done.stdout.splitlines()]
    assert sorted(name for _, name in rows) == sorted(model.classes)
    values = [float(value) for value, _ in rows]
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1, abs=1e-3)
