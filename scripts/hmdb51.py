"""Fetches HMDB51 and its three official splits, and lays them out for ``gcvideo index``.

python scripts/hmdb51.py --out /data/hmdb51 --dry_run    # how large, from where
python scripts/hmdb51.py --out /data/hmdb51              # the same line goes on after an interruption
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from scripts.fetching.archives import Archive
from scripts.fetching.command import add_options, run
from scripts.fetching.job import fetch_and_say_next
from scripts.fetching.unpack import lift, unpack_rar
from scripts.fetching.web import check_url

OFFICIAL = "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10"


def fetch(options: argparse.Namespace) -> None:
    """Fetches what is missing, then says what comes next."""
    mirror = check_url(options.mirror.rstrip("/"))
    archives = [
        Archive("hmdb51_org.rar", f"{mirror}/hmdb51_org.rar", "videos", _unpack_videos),
        Archive("test_train_splits.rar", f"{mirror}/test_train_splits.rar", "annotations", _unpack_splits),
    ]
    fetch_and_say_next(options, archives, annotations=options.out / "annotations")


def parser() -> argparse.ArgumentParser:
    """The options of the script."""
    result = argparse.ArgumentParser(prog="hmdb51.py", description=str(__doc__).partition("\n")[0])
    add_options(result, mirror=OFFICIAL, jobs=2)
    return result


def _unpack_videos(archive: Path, folder: Path) -> None:
    """A rar of a rar per class, each with a folder of its name; an inner one that is damaged damages the whole."""
    unpack_rar(archive, folder)
    for inner in sorted(folder.rglob("*.rar")):
        unpack_rar(inner, folder)
        inner.unlink()


def _unpack_splits(archive: Path, folder: Path) -> None:
    unpack_rar(archive, folder)  # testTrainMulti_7030_splits/CLASS_test_splitN.txt
    lift(folder)


if __name__ == "__main__":
    sys.exit(run(fetch, parser(), sys.argv[1:]))
