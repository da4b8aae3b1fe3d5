"""Prints the table of docs/DECODING.md: decord and torchcodec by themselves beside what gcvideo reads, file by file.

    python -m tests.data.zoo.table [WORKING_FOLDER]

Minutes on one core. It makes the corpus in the working folder (default: a temporary one) and also takes the files of
../shared/data/zoo where they are.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decoding.decode import Frames, is_installed, read_frames
from gcvideo.data.indexing.probe import probe_video
from tests.conftest import SHARED
from tests.data.zoo.corpus import NAMES, ffmpeg, make
from tests.data.zoo.reference import accesses, compare, frames_by, reference_frames


def main(folder: Path) -> None:
    print(f"{_versions()}\n")
    print("| file | frames | decord alone | torchcodec alone | gcvideo | by | also right |")
    print("| --- | ---: | ---: | ---: | ---: | --- | --- |")
    for path in [*_zoo(), *(make(name, folder) for name in NAMES)]:
        print(f"| {' | '.join(_row(path))} |", flush=True)


def _zoo() -> list[Path]:
    return sorted(p for p in (SHARED / "zoo").glob("*") if p.suffix != ".md" and not p.name.startswith("broken"))


def _row(path: Path) -> Iterator[str]:
    reference, probe = reference_frames(path), probe_video(path)
    first, *others = probe.readers.split()
    yield f"{'zoo: ' if path.parent.name == 'zoo' else ''}`{path.name}`"
    yield str(len(reference))
    yield _right(path, reference, _decord_alone) if is_installed("decord") else ""
    yield _right(path, reference, _torchcodec_alone) if is_installed("torchcodec") else ""
    yield _right(path, reference, lambda path, numbers: read_frames(path, numbers, first))
    yield first
    yield " ".join(others)


def _right(path: Path, reference: Frames, read: Callable[[Path, NDArray[np.int64]], Frames]) -> str:
    """How many accesses are right, and the largest mean difference where one is not equal; a dash: cannot open it."""
    wanted = accesses(len(reference))
    found = frames_by(lambda numbers: read(path, numbers), wanted)
    if all(frames is None for frames in found):
        return "–"
    result = compare(found, wanted, reference)
    return f"{result.num_right}" + (f" (±{result.mean_levels:.2f})" if result.mean_levels else "")


def _decord_alone(path: Path, numbers: NDArray[np.int64]) -> Frames:
    import decord

    frames: Frames = decord.VideoReader(str(path), num_threads=1).get_batch(numbers).asnumpy()
    return frames


def _torchcodec_alone(path: Path, numbers: NDArray[np.int64]) -> Frames:
    from torchcodec.decoders import VideoDecoder

    frames: Frames = VideoDecoder(str(path), dimension_order="NHWC").get_frames_at(numbers.tolist()).data.numpy()
    return frames


def _versions() -> str:
    program = subprocess.run([ffmpeg(), "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    packages = [
        f"{name} {version(name)}" for name in ("decord", "torchcodec", "av") if is_installed(name) or name == "av"
    ]
    return f"ffmpeg {program}, {', '.join(packages)} (FFmpeg {av.ffmpeg_version_info})"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
