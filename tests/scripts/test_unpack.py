from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import Path

import pytest

from gcvideo.errors import InputError
from scripts.fetching.unpack import Damaged, check_rar_program, lift, unpack_rar, unpack_tar, unpack_zip
from tests.scripts.rar_files import needs_rar, rar


def write_tar(path: Path, members: list[tarfile.TarInfo], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for member in members:
            tar.addfile(member, io.BytesIO(member.name.encode().ljust(member.size, b".")))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 50, target: str = "") -> tarfile.TarInfo:
    result = tarfile.TarInfo(name)
    result.type, result.linkname, result.size = kind, target, size if kind == tarfile.REGTYPE else 0
    return result


def _unpacks_to(packed: bytes) -> bytes | None:
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        return None


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_a_tar_is_flattened_and_hidden_files_are_left_out(tmp_path: Path, mode: str) -> None:
    names = ["a.mp4", "./b.mp4", "dancing ballet/c.mp4", "dancing ballet/._c.mp4", "._dancing ballet"]
    path = write_tar(tmp_path / "part.tar.gz", [*map(member, names), member("deep/", tarfile.DIRTYPE)], mode)
    unpack_tar(path, tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").rglob("*")) == ["a.mp4", "b.mp4", "c.mp4"]
    assert (tmp_path / "out" / "c.mp4").read_bytes() == b"dancing ballet/c.mp4".ljust(50, b".")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (member("../evil.mp4"), "leads outside"),
        (member("a/../../evil.mp4"), "leads outside"),
        (member("/tmp/evil.mp4"), "leads outside"),
        (member("evil.mp4", tarfile.SYMTYPE, target="/etc/passwd"), "is a link"),
        (member("evil.mp4", tarfile.LNKTYPE, target="../secret"), "is a link"),
        (member("evil.mp4", tarfile.FIFOTYPE), "is a link or a device"),
    ],
)
def test_a_hostile_tar_is_refused(tmp_path: Path, bad: tarfile.TarInfo, why: str) -> None:
    path = write_tar(tmp_path / "part_3.tar.gz", [member("a.mp4"), bad])
    with pytest.raises(InputError, match=rf"part_3\.tar\.gz: member '.*' {why}"):
        unpack_tar(path, tmp_path / "in" / "out")
    assert not list(tmp_path.rglob("evil*"))


def test_a_damaged_tar_is_noticed(tmp_path: Path) -> None:
    """Cut off, no tar at all, and with one wrong bit, wherever that is."""
    content = write_tar(tmp_path / "part.tar.gz", [member(f"{i}.mp4", size=300) for i in range(5)]).read_bytes()
    wrong = [bytes([*content[:at], content[at] ^ 0x10, *content[at + 1 :]]) for at in range(20, len(content), 7)]
    wrong = [packed for packed in wrong if _unpacks_to(packed) != gzip.decompress(content)]  # some bits say the same
    assert len(wrong) > 10
    for damaged in (content[: len(content) // 2], content[:-4], b"<html>not found</html>" * 99, *wrong):
        (tmp_path / "bad.tar.gz").write_bytes(damaged)
        with pytest.raises(Damaged, match="it is damaged"):
            unpack_tar(tmp_path / "bad.tar.gz", tmp_path / "out")


def test_a_damaged_zip_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(Damaged, match="it is damaged"):
        unpack_zip(tmp_path / "bad.zip", tmp_path / "out")


def test_one_outer_folder_is_lifted(tmp_path: Path) -> None:
    (tmp_path / "UCF-101" / "UCF-101").mkdir(parents=True)
    (tmp_path / "UCF-101" / "a.avi").touch()
    lift(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["UCF-101", "a.avi"]


def test_without_a_rar_program_the_message_names_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"unrar, unar, bsdtar.*apt install unar"):
        check_rar_program()


@needs_rar
def test_a_rar_is_unpacked_with_its_folders(tmp_path: Path) -> None:
    (tmp_path / "a.rar").write_bytes(rar({"UCF-101/Archery/v.avi": b"one", "UCF-101/Typing/w.avi": b"two"}))
    (tmp_path / "out").mkdir()
    unpack_rar(tmp_path / "a.rar", tmp_path / "out")
    assert (tmp_path / "out" / "UCF-101" / "Archery" / "v.avi").read_bytes() == b"one"
    assert (tmp_path / "out" / "UCF-101" / "Typing" / "w.avi").read_bytes() == b"two"


@needs_rar
def test_a_damaged_rar_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.rar").write_bytes(rar({"v.avi": b"one" * 99})[:-60])
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"a\.rar: cannot be unpacked"):
        unpack_rar(tmp_path / "a.rar", tmp_path / "out")


def test_a_tar_with_two_members_of_one_name_is_refused(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "twice.tar", [member("a/x.mp4"), member("b/x.mp4")], "w")
    with pytest.raises(InputError, match=r"twice.tar: two of its members are called x.mp4"):
        unpack_tar(archive, tmp_path / "out")
