"""Unpacks archives of others: nothing is written outside the folder, and no link comes of it."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from gcvideo.errors import InputError

_GZIP = b"\x1f\x8b"
_RAR_PROGRAMS = {
    "unrar": ("unrar", "x", "-y", "-o+", "-idq", "{archive}", "{folder}/"),
    "unar": ("unar", "-quiet", "-force-overwrite", "-no-directory", "-output-directory", "{folder}", "{archive}"),
    "bsdtar": ("bsdtar", "-x", "-f", "{archive}", "-C", "{folder}"),
    "7zz": ("7zz", "x", "-y", "-bso0", "-bsp0", "-o{folder}", "{archive}"),
    "7z": ("7z", "x", "-y", "-bso0", "-bsp0", "-o{folder}", "{archive}"),
}


class Damaged(Exception):
    """An archive that is not what was packed; another download may help."""


def unpack_tar(archive: Path, folder: Path) -> None:
    """Unpacks a tar, compressed or not, without its folders: each file stands in ``folder`` under its last name.

    Hidden files (such as ``._name``, which macOS adds) are left out. The check sum of a gzip stream is compared.

    Raises:
        Damaged: if the archive ends too early or is no tar.
        InputError: if a member is a link or a device, or leads outside; nothing of the archive should be used.
    """
    names: set[str] = set()
    try:
        with _opened(archive) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    if _wanted(archive, member):
                        member.name = PurePosixPath(member.name).name
                        if member.name in names:
                            raise InputError(f"{archive}: two of its members are called {member.name}; it is not used")
                        names.add(member.name)
                        tar.extract(member, folder, filter="data")
            while stream.read(1 << 20):  # the check sum stands at the end
                pass
    except (tarfile.ReadError, tarfile.StreamError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Damaged(f"it is damaged ({error})") from error


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpacks a zip with its folders.

    Raises:
        Damaged: if a check sum is wrong or it is no zip.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Damaged(f"it is damaged ({error})") from error


def check_rar_program() -> None:
    """Looks for a program that unpacks rar.

    Raises:
        InputError: if none of them is on the PATH; the message names what to install.
    """
    if not rar_programs():
        raise InputError(
            f"a .rar needs one of the programs {', '.join(_RAR_PROGRAMS)}, and none is on the PATH; install one "
            "(Debian, Ubuntu: apt install unar; macOS: brew install unar; conda-forge: libarchive)"
        )


def unpack_rar(archive: Path, folder: Path) -> None:
    """Unpacks a rar with its folders into a folder that is there, with the first program on the PATH that can.

    Raises:
        InputError: if there is no program, all of them fail (with what the last one said), or a link came of it.
    """
    check_rar_program()
    said = ""
    for name in rar_programs():
        command = [word.format(archive=archive.absolute(), folder=folder.absolute()) for word in _RAR_PROGRAMS[name]]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        if result.returncode == 0:
            return _check_no_links(archive, folder)
        lines = (result.stderr or result.stdout).strip().splitlines()
        said = f"{name}: {lines[-1].strip() if lines else f'exit code {result.returncode}'}"
    raise InputError(
        f"{archive}: cannot be unpacked ({said}); another of {', '.join(_RAR_PROGRAMS)} may do it (7z often comes "
        "without rar), or the file is damaged: delete it and run again"
    )


def lift(folder: Path) -> None:
    """Takes the one folder away in which everything stands, if there is one; its content stands in ``folder`` then."""
    inside = list(folder.iterdir())
    if len(inside) != 1 or not inside[0].is_dir():
        return
    top = inside[0].rename(folder / ".lifted")  # a folder in it may have its name
    for path in top.iterdir():
        path.rename(folder / path.name)
    top.rmdir()


def rar_programs() -> list[str]:
    """Those on the PATH, in the order in which they are tried."""
    return [name for name in _RAR_PROGRAMS if shutil.which(name)]


def _check_no_links(archive: Path, folder: Path) -> None:
    link = next((path for path in folder.rglob("*") if path.is_symlink()), None)
    if link is not None:
        raise _distrust(archive, link.name, "is a link")


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[BinaryIO]:
    with archive.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        if not packed:  # one part of Kinetics was a plain tar named .tar.gz
            yield file
            return
        with gzip.GzipFile(fileobj=file) as stream:
            yield stream  # type: ignore[misc]  # reads as a binary file does


def _wanted(archive: Path, member: tarfile.TarInfo) -> bool:
    """Whether a member is a file that shows; refuses what no list of videos needs."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise _distrust(archive, member.name, "leads outside")
    if not (member.isreg() or member.isdir()):
        raise _distrust(archive, member.name, "is a link or a device")
    return member.isreg() and not path.name.startswith(".")


def _distrust(archive: Path, member: str, why: str) -> InputError:
    return InputError(f"{archive.name}: member {member!r} {why}; nothing of this archive is used; name another mirror")
