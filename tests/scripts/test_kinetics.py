from __future__ import annotations

import csv
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gcvideo.cli import run as gcvideo_run
from gcvideo.data.manifest import read_manifest
from scripts.fetching.command import run
from scripts.fetching.job import alone
from scripts.fetching.space import needed_bytes, readable
from scripts.kinetics.fetch import fetch, parser
from tests.scripts.mirror_server import CUT, GARBLED, Mirror, wait_until

SCRIPT = Path(__file__).parents[2] / "scripts" / "kinetics" / "fetch.py"
HEADER = "label,youtube_id,time_start,time_end,split\n"


def name(number: int) -> str:
    return f"video-id_{number:02d}_{number:06d}_{number + 10:06d}.mp4"


def row(number: int, label: str, split: str) -> str:
    return f"{label},video-id_{number:02d},{number},{number + 10},{split}\n"


@pytest.fixture
def k400(mirror: Mirror) -> Mirror:
    """Two parts of train and one of val; the list names the official addresses; video 3 is damaged and replaced."""
    parts = {"train/part_0": (0, 1), "train/part_1": (2, 3), "val/part_0": (4,)}
    for part, numbers in parts.items():
        mirror.add_tar(f"400/{part}.tar.gz", {f"./{name(n)}": os.urandom(20_000 + n) for n in numbers})
    for split, count in (("train", 2), ("val", 1)):
        lines = [f"https://s3.amazonaws.com/kinetics/400/{split}/part_{part}.tar.gz\n" for part in range(count)]
        mirror.files[f"400/{split}/k400_{split}_path.txt"] = "".join(lines).encode()
    rows = [row(n, "air drumming" if n % 2 else '"massaging person\'s head"', "train") for n in (0, 1, 2, 3, 9)]
    mirror.files["400/annotations/train.csv"] = (HEADER + "".join(rows)).encode()
    mirror.files["400/annotations/val.csv"] = (HEADER + row(4, "air drumming", "validate")).encode()
    new = {f"replacement_for_corrupted_k400/{name(n)}": b"replaced" for n in (3, 77)}
    mirror.add_tar("400/replacement_for_corrupted_k400.tgz", new)
    return mirror


def call(mirror: Mirror, out: Path, *more: str, version: str = "400") -> int:
    return run(fetch, parser(), ["--version", version, "--out", str(out), "--mirror", mirror.url, *more])


def tree(out: Path) -> dict[str, bytes]:
    """All that a user sees, without the list of digests and the journal."""
    shown = [path for top in ("videos", "annotations", "archives") for path in (out / top).rglob("*") if path.is_file()]
    return {str(path.relative_to(out)): path.read_bytes() for path in shown}


def test_the_layout_is_the_one_that_index_reads(
    k400: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(k400, tmp_path / "k400") == 0
    assert sorted(tree(tmp_path / "k400")) == [
        "annotations/all.csv",
        "annotations/train.csv",
        "annotations/val.csv",
        *(f"videos/train/{name(n)}" for n in range(4)),
        f"videos/val/{name(4)}",
    ]
    assert (tmp_path / "k400" / "annotations" / "train.csv").read_bytes() == k400.files["400/annotations/train.csv"]
    with (tmp_path / "k400" / "annotations" / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["split"] for r in rows] == ["train"] * 5 + ["val"]
    assert rows[0]["label"] == "massaging person's head"
    out = capsys.readouterr().out
    assert "train: 4 videos; of 5 that are listed 1 are missing" in out
    assert f"gcvideo index {tmp_path}/k400/annotations/all.csv --root {tmp_path}/k400/videos --out" in out


def test_the_next_command_that_is_printed_indexes_what_was_fetched(
    k400: Mirror, tmp_path: Path, numbered_video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With real videos in the archives; one that is listed was never there, and one is damaged."""
    video = numbered_video.read_bytes()
    for part, numbers in {"train/part_0": (0, 1), "train/part_1": (2, 3), "val/part_0": (4,)}.items():
        k400.add_tar(f"400/{part}.tar.gz", {f"./{name(n)}": video for n in numbers})
    out = tmp_path / "k400"
    assert call(k400, out) == 0
    program, *arguments = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert program == "gcvideo"
    assert gcvideo_run(arguments) == 0
    manifest = read_manifest(out / "manifest.csv")
    assert manifest.classes == ("air drumming", "massaging person's head")
    assert [(Path(r.path).name, r.split, r.num_frames) for r in manifest.records] == [
        *((name(n), "train", 40) for n in (0, 1, 2)),
        (name(4), "val", 40),
    ]
    assert [Path(path).name for path, _ in manifest.bad] == [name(3), name(9)]  # replaced by rubbish, and missing


def test_damaged_videos_of_train_are_replaced(k400: Mirror, tmp_path: Path) -> None:
    """The part that is fetched again brings the damaged one back; it is replaced again, without a download."""
    assert call(k400, tmp_path) == 0
    replaced = tmp_path / "videos" / "train" / name(3)
    assert replaced.read_bytes() == b"replaced"
    assert not (tmp_path / "videos" / "train" / name(77)).exists()
    (tmp_path / "videos" / "train" / name(2)).unlink()
    assert call(k400, tmp_path) == 0
    assert replaced.read_bytes() == b"replaced"
    assert len(k400.gets("400/train/part_1.tar.gz")) == 2
    assert len(k400.gets("400/replacement_for_corrupted_k400.tgz")) == 1


def test_a_second_run_fetches_only_what_is_missing(k400: Mirror, tmp_path: Path) -> None:
    assert call(k400, tmp_path) == 0
    before = tree(tmp_path)
    assert call(k400, tmp_path) == 0
    assert [k400.gets(f"400/train/part_{n}.tar.gz") for n in (0, 1)] == [[""], [""]]
    (tmp_path / "videos" / "train" / name(1)).unlink()
    assert call(k400, tmp_path) == 0
    assert [len(k400.gets(f"400/train/part_{n}.tar.gz")) for n in (0, 1)] == [2, 1]
    assert tree(tmp_path) == before


def test_an_archive_that_a_killed_run_left_is_deleted_and_a_kept_one_stays(k400: Mirror, tmp_path: Path) -> None:
    left, kept = tmp_path / "archives" / "val" / "part_0.tar.gz", tmp_path / "archives" / "train" / "part_0.tar.gz"
    assert call(k400, tmp_path, "--splits", "val") == 0
    left.write_bytes(k400.files["400/val/part_0.tar.gz"])
    assert call(k400, tmp_path, "--splits", "train", "--keep") == 0
    assert call(k400, tmp_path) == 0
    assert not left.exists()
    assert kept.is_file()


def test_faults_of_the_network_leave_the_same_tree(k400: Mirror, tmp_path: Path) -> None:
    assert call(k400, tmp_path / "straight") == 0
    k400.faults["400/train/part_0.tar.gz"] = [CUT]
    k400.faults["400/train/part_1.tar.gz"] = [GARBLED]
    assert call(k400, tmp_path / "crooked") == 0
    assert tree(tmp_path / "crooked") == tree(tmp_path / "straight")


def test_only_and_keep(k400: Mirror, tmp_path: Path) -> None:
    assert call(k400, tmp_path, "--only", "1", "--keep", "--splits", "train") == 0
    assert sorted(path.name for path in (tmp_path / "videos" / "train").iterdir()) == [name(0), name(1)]
    assert [str(path.relative_to(tmp_path)) for path in (tmp_path / "archives").rglob("*.*")] == [
        "archives/train/part_0.tar.gz"
    ]
    check = subprocess.run(["sha256sum", "-c", "digests.sha256"], cwd=tmp_path, capture_output=True, text=True)
    assert check.stdout == "archives/train/part_0.tar.gz: OK\n"


def test_a_dry_run_writes_nothing(k400: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(k400, tmp_path / "k400", "--dry_run") == 0
    assert not (tmp_path / "k400").exists()
    out = capsys.readouterr().out
    assert "4 archives, 4 to fetch: 101 kB to download, 202 kB needed while unpacking" in out
    size = readable(len(k400.files["400/train/part_0.tar.gz"]))
    assert f"  train/part_0.tar.gz  {size}  {k400.url}/400/train/part_0.tar.gz" in out


def test_what_will_not_fit_is_refused_with_the_numbers(
    k400: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    k400.claimed_sizes["400/train/part_0.tar.gz"] = 10**18
    assert call(k400, tmp_path / "k400") == 75
    assert f"error: {tmp_path}/k400: 2000000.0 TB are needed and " in capsys.readouterr().err.replace(
        "2000000 TB", "2000000.0 TB"
    )
    assert not (tmp_path / "k400").exists()


def test_room_is_counted_at_the_worst_moment() -> None:
    assert needed_bytes([10, 20, 30], jobs=2, keep=False) == 110
    assert needed_bytes([10, 20, 30], jobs=9, keep=False) == 120
    assert needed_bytes([10, 20, 30], jobs=1, keep=True) == 120
    assert [readable(n) for n in (0, 999, 1234, 435e9, 1.1e12)] == [
        "0 bytes",
        "999 bytes",
        "1.2 kB",
        "435 GB",
        "1.1 TB",
    ]


def test_a_wrong_size_is_downloaded_again_then_named(
    k400: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = len(k400.files["400/train/part_0.tar.gz"])
    k400.claimed_sizes["400/train/part_0.tar.gz"] = size + 5
    assert call(k400, tmp_path) == 1
    assert f"train/part_0.tar.gz: it has {size} bytes instead of {size + 5}" in capsys.readouterr().err
    assert len(k400.gets("400/train/part_0.tar.gz")) == 2
    assert (tmp_path / "videos" / "val" / name(4)).is_file()  # the others are there


def test_digests_of_a_list_are_compared(k400: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = hashlib.sha256(k400.files["400/train/part_0.tar.gz"]).hexdigest()
    digests = tmp_path / "list"
    digests.write_text(f"{right}  somewhere/train/part_0.tar.gz\n{'0' * 64}  train/part_1.tar.gz\n")
    assert call(k400, tmp_path / "k400", "--digests", str(digests)) == 1
    captured = capsys.readouterr()
    assert "no line for 2 archives, such as val/part_0.tar.gz" in captured.out
    assert "error: train/part_1.tar.gz: its SHA-256 is" in captured.err
    assert [len(k400.gets(f"400/train/part_{n}.tar.gz")) for n in (0, 1)] == [1, 2]
    assert sorted(path.name for path in (tmp_path / "k400" / "videos" / "train").iterdir()) == [name(0), name(1)]


def test_an_archive_that_changed_since_the_last_run_is_named(
    k400: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(k400, tmp_path, "--splits", "val") == 0
    k400.add_tar("400/val/part_0.tar.gz", {name(4): b"another"})
    (tmp_path / "videos" / "val" / name(4)).unlink()
    assert call(k400, tmp_path, "--splits", "val") == 1
    assert f"but {tmp_path}/digests.sha256 of an earlier run says" in capsys.readouterr().err


def test_a_hostile_part_leaves_nothing(k400: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    k400.add_tar("400/val/part_0.tar.gz", {name(4): b"video", "../../evil.mp4": b"evil"})
    assert call(k400, tmp_path, "--splits", "val") == 1
    assert "'../../evil.mp4' leads outside" in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*.mp4")]


def test_a_wrong_mirror_is_named(k400: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(k400, tmp_path, version="700") == 1
    assert "/700_2020/train/k700_2020_train_path.txt: the server answers 404" in capsys.readouterr().err
    k400.url = "ftp://somewhere"
    assert call(k400, tmp_path) == 2


def test_two_runs_in_one_folder_are_refused(k400: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with alone(tmp_path):
        assert call(k400, tmp_path) == 1
    assert "another run is at work in this folder" in capsys.readouterr().err


@pytest.mark.parametrize("moment", ["while downloading", "while unpacking"])
def test_a_killed_run_goes_on_to_the_same_tree(k400: Mirror, tmp_path: Path, moment: str) -> None:
    """SIGKILL, then the same command: what is there of a part is not downloaded again."""
    videos = {name(10 + n): os.urandom(2_000) for n in range(800 if moment == "while unpacking" else 200)}
    k400.add_tar("400/train/part_1.tar.gz", videos, mode="w")
    assert call(k400, tmp_path / "straight", "--splits", "train") == 0
    out, path = tmp_path / "killed", "400/train/part_1.tar.gz"
    k400.asked.clear()
    k400.num_sent = 0
    k400.bytes_per_second = 500_000 if moment == "while downloading" else 0
    command = [sys.executable, str(SCRIPT), "--version", "400", "--splits", "train", "--out", str(out)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen([*command, "--mirror", k400.url], stderr=quiet, stdout=quiet) as process:
        if moment == "while downloading":
            wait_until(lambda: k400.num_sent > 200_000)
        else:
            wait_until(lambda: any((out / "videos" / "train" / ".part_1.tar.gz.unpacking").glob("*")))
        process.send_signal(signal.SIGKILL)
    assert len(list((out / "videos" / "train").glob("[!.]*"))) < len(videos)
    k400.bytes_per_second = 0
    assert call(k400, out, "--splits", "train") == 0
    assert tree(out) == tree(tmp_path / "straight")
    spans = k400.gets(path)
    assert spans[0] == ""
    assert all(span for span in spans[1:])
    assert len(spans) == (2 if moment == "while downloading" else 1)


@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare to mount a small disk with")
def test_a_full_disk_is_one_line_and_75(k400: Mirror, tmp_path: Path) -> None:
    """A real disk of 100 kB; then --force, as the estimate would refuse."""
    disk = tmp_path / "disk"
    disk.mkdir()
    k400.files["400/train/part_1.tar.gz"] = os.urandom(400_000)
    fetching = f"{sys.executable} {SCRIPT} --version 400 --splits train --out {disk}/k400 --mirror {k400.url} --force"
    mounting = f"mount -t tmpfs -o size=100k none {disk} || exit 99; {fetching}"
    result = subprocess.run(["unshare", "-rm", "sh", "-c", mounting], capture_output=True, text=True)
    if result.returncode in (1, 99) and "fetch.py" not in result.stderr:
        pytest.skip(f"no small disk here: {result.stderr}")
    assert result.returncode == 75, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if "error" in line]
    assert line.startswith(f"fetch.py: error: no room is left in {disk}/k400")
    assert "Traceback" not in result.stderr


def test_kinetics_600_is_completed_by_the_names_of_its_archives(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its official CSV lacks videos, its archives are named after classes; its test split has no labels."""
    mirror.add_tar("600/train/pull ups.tar.gz", {f"./{name(n)}": b"v" for n in (0, 1)})
    mirror.add_tar("600/train/mountain climber (exercise).tar.gz", {f"mountain climber (exercise)/{name(2)}": b"v"})
    mirror.add_tar("600/test/part_0.tar.gz", {name(3): b"v"})
    official = "https://s3.amazonaws.com/kinetics/600/train"
    lines = [f"{official}/pull%20ups.tar.gz", f"{official}/mountain climber (exercise).tar.gz"]
    mirror.files["600/train/k600_train_path.txt"] = "\n".join(lines).encode()
    mirror.files["600/test/k600_test_path.txt"] = b"https://s3.amazonaws.com/kinetics/600/test/part_0.tar.gz"
    rows = row(0, "pull ups", "train") + row(2, "mountain climber (exercise)", "train")
    mirror.files["600/annotations/train.csv"] = (HEADER + rows).encode()
    mirror.files["600/annotations/test.csv"] = b"youtube_id,time_start,time_end,split\nvideo-id_03,3,13,test\n"
    assert call(mirror, tmp_path, "--splits", "train", "test", version="600") == 0
    assert (tmp_path / "annotations" / "train.csv").read_text() == HEADER + rows + row(1, "pull ups", "train")
    assert (tmp_path / "annotations" / "all.csv").read_text() == HEADER + rows + row(1, "pull ups", "train")
    assert "test: its official list has no labels" in capsys.readouterr().out
