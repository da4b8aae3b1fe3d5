"""Verify a folder of videos once and write the list that training reads."""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from pathlib import Path

from gcvideo.data.annotations import SPLITS, read_class_folders
from gcvideo.data.index import index_videos
from gcvideo.data.labels import find_classes
from gcvideo.data.manifest import Manifest, check_overwrites_a_manifest
from gcvideo.data.progress import counted_progress
from gcvideo.errors import plain

_SHOWN = 5


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo index``."""
    options = parser().parse_args(arguments)
    classes = find_classes(options.classes) if options.classes else None
    out = Path(options.out).expanduser()
    check_overwrites_a_manifest(out)
    annotations = read_class_folders(Path(options.source).expanduser(), classes)
    for note in annotations.notes:
        print(plain(note))
    with counted_progress("indexing videos") as (on_start, on_video):
        manifest = index_videos(annotations, out, num_workers=options.num_workers, on_start=on_start, on_video=on_video)
    _report(manifest, out)
    return 0


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = argparse.ArgumentParser(
        prog="gcvideo index",
        description="Decodes every video once, in parallel: counts its frames, measures which decoder gives the right "
        "ones, and lists the files that cannot be used. A second time only what has changed is decoded.",
    )
    result.add_argument("source", help="a folder with a folder per class, or with train/, val/, test/ of such folders")
    result.add_argument("--out", default="manifest.csv", help="the list to write (default: %(default)s)")
    result.add_argument("--classes", help="a shipped class list (such as ucf101) or a text file with a name a line")
    result.add_argument("--num_workers", type=int, default=0, help="processes (default: one for each processor)")
    return result


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
        print(f"{len(manifest.bad)} files cannot be decoded, see {out.with_name(out.stem + '.bad.csv')}:")
        for path, reason in manifest.bad[:_SHOWN]:
            print(plain(f"  {path}: {reason}"))
    print(f"next:\n  gcvideo fit --config folder --data.manifest {shlex.quote(str(out))}")
