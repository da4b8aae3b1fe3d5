from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray

from gcvideo.data.annotations import Annotations, SourceOptions
from gcvideo.data.encode import write_video
from gcvideo.data.sources import class_folders
from gcvideo.records import VideoRecord

os.environ["JSONARGPARSE_DEPRECATION_WARNINGS"] = "off"  # Lightning's calls, not ours

SHARED = Path(__file__).parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--everything", action="store_true", help="also what is marked long, and all that is sampled")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the long tests out, and nine tenths of the sampled ones; GCVIDEO_TEST_SEED chooses another tenth."""
    if config.getoption("--everything"):
        return
    seed = os.environ.get("GCVIDEO_TEST_SEED", "0")
    left_out = [
        item
        for item in items
        if item.get_closest_marker("long")
        or (item.get_closest_marker("sampled") and zlib.crc32(f"{seed} {item.nodeid}".encode()) % 10)
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(autouse=True)
def good_neighbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Own cache, no W&B account, no variable left behind, and the random state put back."""
    monkeypatch.setenv("GCVIDEO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "no-wandb"))
    before = dict(os.environ)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def shared_data() -> Path:
    """Real clips beside the project; tests that want them are skipped where they are not."""
    if not SHARED.is_dir():
        pytest.skip("no shared data beside the project")
    return SHARED


def numbered_frames(num_frames: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Frame k has the brightness 5 * k, so that a decoded frame proves which one it is."""
    values = (5 * np.arange(num_frames)).astype(np.uint8)
    return np.broadcast_to(values[:, None, None, None], (num_frames, height, width, 3)).copy()


def frame_numbers(frames: NDArray[np.uint8]) -> list[int]:
    """Which frames these are: (..., H, W, 3) to numbers, flattened."""
    return [round(float(value) / 5) for value in frames.mean(axis=(-3, -2, -1)).reshape(-1)]


def read_class_folders(root: Path, class_order: tuple[str, ...] | None = None) -> Annotations:
    """The files and labels of a folder with a folder per class."""
    return class_folders.read((root,), SourceOptions(classes=class_order))


def video_record(path: Path | str, **values: Any) -> VideoRecord:
    """A record as the index writes it of ``numbered_video``, with some values changed."""
    plain: dict[str, Any] = {
        "label": 0,
        "split": "train",
        "start": 0.0,
        "end": 1.6,
        "first_frame": 0,
        "num_frames": 40,
        "fps": 25.0,
        "is_vfr": False,
        "width": 64,
        "height": 48,
        "pixel_aspect": 1.0,
        "codec": "h264",
        "duration": 1.6,
        "readers": "pyav:seek",
        "damage": "",
        "num_bytes": 0,
        "modified_ns": 0,
    }
    return VideoRecord(path=str(path), **plain | values)


def write_variable_rate(path: Path, milliseconds: list[int]) -> Path:
    """Frame k has the brightness 5 * k and is shown for ``milliseconds[k]``."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=50, options={"crf": "1", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        now = 0
        for picture, length in zip(numbered_frames(len(milliseconds)), milliseconds, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = now, Fraction(1, 1000)
            container.mux(stream.encode(frame))
            now += length
        container.mux(stream.encode())
    return path


@pytest.fixture
def numbered_video(tmp_path: Path) -> Path:
    """40 frames; frame k shows k."""
    path = tmp_path / "numbered.mp4"
    write_video(path, numbered_frames(40), fps=25, crf=1)
    return path


def write_class_folders(root: Path, counts: dict[str, int], num_frames: int = 12) -> Path:
    """Small videos: ``{"train/a": 3}`` makes three of class a in train, named gNN_cMM."""
    generator = np.random.default_rng(0)
    for number, (folder, count) in enumerate(counts.items()):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            base = generator.integers(0, 256, (1, 16, 16, 3)).repeat(4, 1).repeat(4, 2)
            frames = (base + 7 * number * np.arange(num_frames)[:, None, None, None]) % 256
            write_video(root / folder / f"v_g{index:02d}_c01.mp4", frames.astype(np.uint8), fps=25)
    return root


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder of small videos, see ``write_class_folders``."""

    def make(counts: dict[str, int], name: str = "videos", num_frames: int = 12) -> Path:
        return write_class_folders(tmp_path / name, counts, num_frames)

    return make


settings.register_profile("steady", deadline=None, derandomize=True, max_examples=60)  # the machine is noisy
settings.load_profile("steady")
