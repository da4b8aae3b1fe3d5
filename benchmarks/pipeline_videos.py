"""The videos of pipeline.py: 340x256, 10 s, 30 fps, H.264, and the same as all-intra files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from itertools import islice
from pathlib import Path

import av
import numpy as np

from gcvideo.cli import run
from gcvideo.data.decoding.decode import forward
from gcvideo.data.manifest import read_manifest
from gcvideo.records import VideoRecord

WIDTH, HEIGHT, NUM_FRAMES, FPS, GOP = 340, 256, 300, 30, 250
GRAIN_LEVELS = 4.5  # of the brightness: without it x264 needs half the bytes of a camera's picture
REAL = Path(__file__).parents[2] / "shared" / "data" / "train"  # clips of UCF101, where they lie beside the project


def make_videos(folder: Path, count: int) -> None:
    """Writes ``count`` videos, those missing; of real clips made larger where there are any, else synthetic ones."""
    sources = sorted(REAL.glob("*/*.mp4"))
    chosen = [sources[k * len(sources) // count] for k in range(count)] if sources else [None] * count
    print(f"{count} videos of {'real clips, enlarged, there and back' if sources else 'synthetic scenes'}")
    for number, source in enumerate(chosen):
        path = folder / "train" / f"class{number % 2}" / f"video{number:03d}.mp4"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _encode(path, _enlarged(source) if source else _scene(number))


def originals_and_prepared(folder: Path) -> tuple[list[VideoRecord], list[VideoRecord]]:
    """Indexes the videos and encodes them anew with ``gcvideo prepare``; gives both, in the same order."""
    manifest, prepared = folder / "manifest.csv", folder / "prepared"
    with redirect_stdout(StringIO()):
        codes = [
            run(["index", str(folder / "originals"), "--out", str(manifest)]),
            run(["prepare", str(manifest), str(prepared), "--short-side", "256", "--gop", "1"]),
        ]
    if any(codes):
        raise SystemExit("the videos could not be indexed or prepared")
    found = [list(read_manifest(path).records) for path in (manifest, prepared / "manifest.csv")]
    first, second = (sorted(records, key=lambda record: Path(record.path).name) for records in found)
    return first, second


def _encode(path: Path, frames: Iterator[av.VideoFrame]) -> None:
    """As x264 does by itself: preset medium, crf 23, three B-frames, key frames at cuts."""
    partial = path.with_suffix(".part")
    with av.open(str(partial), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "medium", "g": str(GOP)})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for number, frame in enumerate(islice(frames, NUM_FRAMES)):
            frame.pts, frame.time_base, frame.pict_type = number, 1 / stream.codec_context.framerate, 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    partial.rename(path)


def _enlarged(source: Path) -> Iterator[av.VideoFrame]:
    """The frames of a clip forward, backward, forward, and so on, with the grain that enlarging has taken away."""
    generator = np.random.default_rng(0)
    frames = [
        frame.reformat(WIDTH, HEIGHT, format="yuv420p", interpolation="BICUBIC").to_ndarray()
        for frame in forward(source)
    ]
    there_and_back = [*frames, *frames[-2:0:-1]] if len(frames) > 2 else frames
    while True:
        for planes in there_and_back:
            picture = planes.astype(np.float32)
            picture[:HEIGHT] += generator.normal(0, GRAIN_LEVELS, (HEIGHT, WIDTH))
            yield av.VideoFrame.from_ndarray(picture.round().clip(0, 255).astype(np.uint8), format="yuv420p")


def _scene(seed: int) -> Iterator[av.VideoFrame]:
    """A soft texture that moves by a few pixels a frame, with a little noise."""
    generator = np.random.default_rng(seed)
    picture = generator.integers(0, 256, (30, 40, 3)).astype(np.float32).repeat(32, 0).repeat(32, 1)
    for axis in (0, 1):
        picture = np.apply_along_axis(np.convolve, axis, picture, np.ones(33) / 33, mode="same")
    while True:
        for t in range(NUM_FRAMES):
            cut = picture[2 * t : 2 * t + HEIGHT, 3 * t : 3 * t + WIDTH]
            noisy = (cut + generator.normal(0, 2, (HEIGHT, WIDTH, 1))).clip(0, 255).astype(np.uint8)
            yield av.VideoFrame.from_ndarray(noisy, format="rgb24")
