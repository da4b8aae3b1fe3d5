"""Fetches Kinetics-400, 600 or 700-2020 and lays it out for ``gcvideo index``.

python scripts/kinetics/fetch.py --version 400 --splits val --only 1 --out /data/k400 --dry_run  # how large, from where
python scripts/kinetics/fetch.py --version 400 --splits train val --out /data/k400 --jobs 8  # again: it goes on
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a clone, installed or not

from scripts.fetching.archives import Archive
from scripts.fetching.command import add_options, positive, run
from scripts.fetching.job import Job, alone, new_web
from scripts.fetching.web import check_url
from scripts.kinetics.annotations import (
    complete_annotations,
    fetch_annotations,
    read_annotations,
    video_name,
    write_all,
)
from scripts.kinetics.mirror import OFFICIAL, SPLITS, VERSIONS, Version, list_archives, replacement_archive
from scripts.kinetics.replace import replace_videos


def fetch(options: argparse.Namespace) -> None:
    """Fetches what is missing, then says what is there and what comes next."""
    version, web = VERSIONS[options.version], new_web()
    mirror = check_url(options.mirror.rstrip("/"))
    splits = [split for split in SPLITS if split in options.splits]
    archives = [archive for split in splits for archive in list_archives(web, mirror, version, split)[: options.only]]
    wanted = list(archives)
    if version.replacement and "train" in splits and not options.only:  # the damaged videos are in train alone
        wanted.append(replacement_archive(mirror, version))
    job = Job(options.out, web, wanted, digests=options.digests, jobs=options.jobs, keep=options.keep)
    job.estimate(force=options.force, dry_run=options.dry_run)
    if options.dry_run:
        return
    with alone(options.out):
        for split in splits:
            fetch_annotations(web, version.annotations_url(mirror, split), _official(options.out, version, split))
        job.fetch()
        _lay_out(job, archives, version, splits)
        write_all(options.out)
    _report(options.out, splits)


def parser() -> argparse.ArgumentParser:
    """The options of the script."""
    result = argparse.ArgumentParser(prog="fetch.py", description=str(__doc__).partition("\n")[0])
    result.add_argument("--version", choices=list(VERSIONS), required=True, help="700 is the edition of 2020")
    result.add_argument("--splits", nargs="+", choices=SPLITS, default=["train", "val"], help="(default: train val)")
    result.add_argument("--only", type=positive, metavar="N", help="a trial: the first N archives of each split")
    add_options(result, mirror=OFFICIAL, jobs=4)
    return result


def _official(root: Path, version: Version, split: str) -> Path:
    return root / "annotations" / (f"{split}.csv" if version.complete else f"{split}.official.csv")


def _lay_out(job: Job, archives: list[Archive], version: Version, splits: list[str]) -> None:
    if (job.root / "replacement").is_dir():
        num_replaced = replace_videos(job.root, [split for split in SPLITS if (job.root / "videos" / split).is_dir()])
        print(f"{num_replaced} damaged videos replaced")
    for split in splits if not version.complete else ():
        files = {_stem(archive): job.fetcher.files(archive) for archive in archives if archive.name.startswith(split)}
        path = job.root / "annotations" / f"{split}.csv"
        num_added = complete_annotations(_official(job.root, version, split), path, split, files)
        print(f"{split}: {num_added} videos that the official list lacks are labelled by the name of their archive")


def _stem(archive: Archive) -> str:
    return archive.name.rpartition("/")[2].removesuffix(".gz").removesuffix(".tar")


def _report(root: Path, splits: list[str]) -> None:
    for split in splits:
        there = {path.name for path in (root / "videos" / split).iterdir() if path.suffix == ".mp4"}
        rows = read_annotations(root / "annotations" / f"{split}.csv")
        num_missing = sum(video_name(row) not in there for row in rows)
        print(f"{split}: {len(there)} videos; of {len(rows)} that are listed {num_missing} are missing")
    annotations, videos = shlex.quote(str(root / "annotations" / "all.csv")), shlex.quote(str(root / "videos"))
    print(f"next:\n  gcvideo index {annotations} --root {videos} --out {shlex.quote(str(root / 'manifest.csv'))}")


if __name__ == "__main__":
    sys.exit(run(fetch, parser(), sys.argv[1:]))
