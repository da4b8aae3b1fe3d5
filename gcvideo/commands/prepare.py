"""Re-encode videos for training: small, with frequent key frames, cheap to decode."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gcvideo.commands._arguments import CommandParser
from gcvideo.commands._numbers import whole
from gcvideo.data.annotations import SPLITS, read_annotations
from gcvideo.data.indexing.index import cached_manifest_path, index_videos
from gcvideo.data.manifest import Manifest, read_manifest
from gcvideo.data.preparing.encode_job import FULL_DISK
from gcvideo.data.preparing.journal import Journal
from gcvideo.data.preparing.prepare import VideoToPrepare, encode_videos, index_prepared, not_done, plan_videos
from gcvideo.data.preparing.reencode import Encoding
from gcvideo.data.progress import counted_progress
from gcvideo.errors import InputError, plain

_SHOWN = 5
_JOURNAL = "prepared.jsonl"
_NO_SPACE = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed later


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo prepare``."""
    options = parser().parse_args(arguments)
    encoding = Encoding(options.short_side, options.gop, options.crf)
    source, out = Path(options.manifest).expanduser(), Path(options.out).expanduser()
    _check_apart(out, source)
    manifest = _manifest(source, options.num_workers)
    for root in _roots(manifest):
        _check_apart(out, root)
    with _explained(out):
        _check_is_ours(out)
        out.mkdir(parents=True, exist_ok=True)
        with Journal(out / _JOURNAL) as journal:
            _prepare(manifest, plan_videos(manifest, out, encoding), journal, options.num_workers)
    return 0


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = CommandParser(
        prog="gcvideo prepare",
        description="Writes every video again as H.264 without sound, upright, with its own time stamps, every frame "
        "once, and a manifest of the new files with the same labels and splits. The sources stay as they are. Given "
        "again, the command does only what is not done yet.",
    )
    result.add_argument("manifest", help="what gcvideo index wrote, or a folder with a folder per class")
    result.add_argument("out", help="the folder to write: OUT/SPLIT/CLASS/NAME.mp4 and OUT/manifest.csv")
    defaults = Encoding()
    result.add_argument(
        "--short_side",
        "--short-side",
        type=int,
        default=defaults.short_side_px,
        help="pixels; a smaller video keeps its size (default: %(default)s)",
    )
    result.add_argument(
        "--gop",
        type=int,
        default=defaults.gop,
        help="frames from key frame to key frame: 1 decodes fastest, 32 takes less than half the space "
        "(default: %(default)s)",
    )
    result.add_argument(
        "--crf", type=int, default=defaults.crf, help="0 is lossless, 51 the worst (default: %(default)s)"
    )
    result.add_argument("--num_workers", type=whole, default=0, help="processes (default: one for each processor)")
    return result


def _manifest(source: Path, num_workers: int) -> Manifest:
    """The list, or that of a folder, which is indexed as ``fit`` does it."""
    if not source.is_dir():
        return read_manifest(source)
    annotations = read_annotations([source])
    for note in annotations.notes:
        print(plain(note))
    with counted_progress("indexing videos") as (on_start, on_video):
        return index_videos(
            annotations,
            cached_manifest_path(source),
            num_workers=num_workers,
            on_start=on_start,
            on_video=on_video,
        )


def _prepare(manifest: Manifest, videos: Sequence[VideoToPrepare], journal: Journal, num_workers: int) -> None:
    out = journal.folder
    todo = not_done(videos, journal)
    _announce(videos, todo, out)
    with counted_progress("preparing videos") as (on_start, on_video):
        on_start(len(todo))
        failures = encode_videos(todo, journal, num_workers=num_workers, on_video=on_video)
    if len(failures) == len(videos):
        first = videos[0]
        reason = f"the first: {first.record.path}: {failures[first.target]}"
        raise InputError(f"none of the {len(videos)} videos could be prepared; {reason}")
    with counted_progress("verifying videos") as (on_start, on_video):
        result = index_prepared(
            manifest,
            videos,
            failures,
            out / "manifest.csv",
            num_workers=num_workers,
            on_start=on_start,
            on_video=on_video,
        )
    _report(result, videos, out)


def _announce(videos: Sequence[VideoToPrepare], todo: Sequence[VideoToPrepare], out: Path) -> None:
    encoding = videos[0].encoding
    key_frames = "every frame a key frame" if encoding.gop == 1 else f"a key frame every {encoding.gop} frames"
    hours = sum(v.record.num_frames / v.record.fps for v in videos if v.record.fps) / 3600
    print(plain(f"{len(videos)} videos, {hours:.2f} hours, into {out}"))
    print(f"short side {encoding.short_side_px} px at most, {key_frames}, crf {encoding.crf}")
    if len(todo) < len(videos):
        print(f"{len(videos) - len(todo)} are done, {len(todo)} to do")


def _report(result: Manifest, videos: Sequence[VideoToPrepare], out: Path) -> None:
    written = {record.path for record in result.records}
    sources = {v.record.path: v.record.num_bytes for v in videos if str(v.target) in written}
    before, after = sum(sources.values()), sum(record.num_bytes for record in result.records)
    factor = f", {after / before:.2f} times" if before else ""
    print(f"{len(result.records)} videos: {_megabytes(before)} before, {_megabytes(after)} after{factor}")
    if result.bad:
        print(plain(f"{len(result.bad)} files cannot be used, see {out / 'manifest.bad.csv'}:"))
        for path, reason in result.bad[:_SHOWN]:
            print(plain(f"  {path}: {reason}"))
    print(f"next:\n  gcvideo fit --config folder --data.manifest {shlex.quote(str(out / 'manifest.csv'))}")


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB"


def _check_apart(out: Path, source: Path) -> None:
    """Refuses to write where the sources lie: the next index would take both, or a source would be overwritten."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder to write into", exit_code=2)
    target, origin = out.resolve(), source.resolve()
    if target == origin or (origin in target.parents and origin.is_dir()):
        raise InputError(f"{out} lies inside the sources ({source}); name a folder beside them", exit_code=2)
    if target in origin.parents:
        raise InputError(f"{out} holds the sources ({source}); name a folder of its own", exit_code=2)


def _check_is_ours(out: Path) -> None:
    """Refuses a folder of other things, where a file of the same name would be written over."""
    if out.is_dir() and not (out / _JOURNAL).exists() and any(out.iterdir()):
        raise InputError(f"{out} holds other things; name a new folder, or an empty one", exit_code=2)


def _roots(manifest: Manifest) -> set[Path]:
    """The folders that the videos of a list lie in: where they lie in class and split folders, those above."""
    roots = set()
    for folder, label in {(Path(record.path).parent, record.label) for record in manifest.records}:
        above = folder.parent if folder.name == manifest.classes[label] else folder
        roots.add(above.parent if above != folder and above.name in SPLITS else above)
    return roots


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    """A place that cannot be written to, a full disk and Ctrl-C end with one line."""
    try:
        yield
    except KeyboardInterrupt:
        print(plain(f"what is done is kept in {out}; the same command goes on"), file=sys.stderr)
        raise
    except OSError as error:
        if error.errno in FULL_DISK:
            cure = "make room and give the same command again, what is done is kept"
            raise InputError(f"{out}: {error.strerror}; {cure}", exit_code=_NO_SPACE) from error
        raise InputError(f"{out} cannot be written: {error.strerror or error}; name another folder") from error
