"""Verify labelled videos of any source once and write the list that training reads."""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from pathlib import Path

from gcvideo.commands._arguments import CommandParser
from gcvideo.commands._numbers import whole
from gcvideo.data.annotations import SPLITS, SourceOptions, check_is_local, describe_formats, read_annotations
from gcvideo.data.indexing.index import index_videos
from gcvideo.data.labels import find_classes
from gcvideo.data.manifest import Manifest, check_overwrites_a_manifest
from gcvideo.data.progress import counted_progress
from gcvideo.errors import plain

_SHOWN = 5
_EXAMPLES = """examples:
  gcvideo index MY_VIDEOS                                   a folder with a folder per class
  gcvideo index clips.csv --root /data/clips                columns path, label; also split, start, end, fps
  gcvideo index train.txt val.txt --classes classes.txt     "path label" a line; the names say the splits
  gcvideo index k400/train.csv k400/val.csv --root k400     the official lists of Kinetics
  gcvideo index ucfTrainTestlist --root UCF-101 --fold 2    the second split of UCF101
  gcvideo index FRAMES --fps 25                             CLASS/VIDEO/00001.jpg ..."""


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo index``."""
    options = parser().parse_args(arguments)
    sources, out = [_local(source) for source in options.source], Path(options.out).expanduser()
    check_overwrites_a_manifest(out)
    annotations = read_annotations(sources, _source_options(options), options.format)
    for note in annotations.notes:
        print(plain(note))
    with counted_progress("indexing videos") as (on_start, on_video):
        manifest = index_videos(
            annotations,
            out,
            num_workers=options.num_workers,
            quick=options.quick,
            on_start=on_start,
            on_video=on_video,
        )
    _report(manifest, out)
    return 0


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    formats = "\n".join(f"  {name:<21}{text}" for name, text in describe_formats().items())
    result = CommandParser(
        prog="gcvideo index",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Decodes every video once, in parallel: counts its frames, measures which decoder gives the right\n"
        "ones, and lists the files that cannot be used. A second time only what has changed is decoded.",
        epilog=f"{_EXAMPLES}\n\nformats:\n{formats}",
    )
    result.add_argument("source", nargs="+", help="a folder or a list; or several lists of one format")
    result.add_argument("--out", default="manifest.csv", help="the list to write (default: %(default)s)")
    result.add_argument("--classes", help="a shipped class list (such as ucf101) or a file with a name a line")
    result.add_argument("--root", help="the folder that listed paths begin in (default: that of the list, or above)")
    result.add_argument("--split", help="train, val or test: what all listed videos are for (default: the source says)")
    result.add_argument("--fold", type=int, help="which of the published splits of UCF101 and HMDB51 (default: 1)")
    result.add_argument("--fps", type=float, help="frames per second of folders of numbered pictures")
    result.add_argument("--format", default="auto", help="one of the formats below (default: found out)")
    result.add_argument("--quick", action="store_true", help="read the headers only and decode nothing")
    result.add_argument("--num_workers", type=whole, default=0, help="processes (default: one for each processor)")
    return result


def _local(source: str) -> Path:
    check_is_local(source, "source")
    return Path(source).expanduser()


def _source_options(options: argparse.Namespace) -> SourceOptions:
    return SourceOptions(
        root=Path(options.root).expanduser() if options.root else None,
        split=options.split,
        fold=options.fold,
        fps=options.fps,
        classes=find_classes(options.classes) if options.classes else None,
    )


def _report(manifest: Manifest, out: Path) -> None:
    counts = Counter((record.split, record.label) for record in manifest.records)
    splits = [split for split in SPLITS if any(key[0] == split for key in counts)]
    width = max(len("class"), *(len(name) for name in manifest.classes))
    print("  ".join([f"{'class':<{width}}", *(f"{split:>6}" for split in splits)]))
    for label, name in enumerate(manifest.classes):
        print("  ".join([f"{name:<{width}}", *(f"{counts[split, label]:>6}" for split in splits)]))
    readers = Counter(record.readers.split()[0].partition(":")[0] for record in manifest.records)
    print(f"{len(manifest.records)} videos ({', '.join(f'{n} by {name}' for name, n in sorted(readers.items()))})")
    if manifest.bad:
        print(f"{len(manifest.bad)} files cannot be used, see {out.with_name(out.stem + '.bad.csv')}:")
        for path, reason in manifest.bad[:_SHOWN]:
            print(plain(f"  {path}: {reason}"))
    print(f"next:\n  gcvideo fit --config folder --data.manifest {shlex.quote(str(out))}")
