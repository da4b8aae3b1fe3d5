"""Fetches UCF101 and its three official splits, and lays them out for ``gcvideo index``.

python scripts/ucf101.py --out /data/ucf101 --dry_run    # how large, from where
python scripts/ucf101.py --out /data/ucf101              # the same line goes on after an interruption
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from scripts.fetching.archives import Archive
from scripts.fetching.command import add_options, run
from scripts.fetching.job import fetch_and_say_next
from scripts.fetching.unpack import lift, unpack_rar, unpack_zip
from scripts.fetching.web import check_url

OFFICIAL = "https://www.crcv.ucf.edu/data/UCF101"


def fetch(options: argparse.Namespace) -> None:
    """Fetches what is missing, then says what comes next."""
    mirror = check_url(options.mirror.rstrip("/"))
    archives = [
        Archive("UCF101.rar", f"{mirror}/UCF101.rar", "videos", _unpack_videos),
        Archive(
            "UCF101TrainTestSplits-RecognitionTask.zip",
            f"{mirror}/UCF101TrainTestSplits-RecognitionTask.zip",
            "annotations",
            _unpack_splits,
        ),
    ]
    fetch_and_say_next(options, archives, annotations=options.out / "annotations" / "trainlist01.txt")


def parser() -> argparse.ArgumentParser:
    """The options of the script."""
    result = argparse.ArgumentParser(prog="ucf101.py", description=str(__doc__).partition("\n")[0])
    add_options(result, mirror=OFFICIAL, jobs=2)
    return result


def _unpack_videos(archive: Path, folder: Path) -> None:
    unpack_rar(archive, folder)  # UCF-101/CLASS/v_CLASS_gNN_cMM.avi
    lift(folder)


def _unpack_splits(archive: Path, folder: Path) -> None:
    unpack_zip(archive, folder)  # ucfTrainTestlist/classInd.txt, trainlist01.txt, testlist01.txt ...
    lift(folder)


if __name__ == "__main__":
    sys.exit(run(fetch, parser(), sys.argv[1:]))
