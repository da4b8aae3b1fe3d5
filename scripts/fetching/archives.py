"""One archive, from the server to its files in their place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gcvideo.errors import InputError
from scripts.fetching.digests import DigestList, digest_of, sha256
from scripts.fetching.download import discard, download, part_of
from scripts.fetching.journal import Journal
from scripts.fetching.progress import Meter
from scripts.fetching.unpack import Damaged
from scripts.fetching.web import Remote, Web


@dataclass(frozen=True)
class Archive:
    """A file to fetch and unpack.

    Attributes:
        name: such as ``train/part_0.tar.gz``; unique in the data set.
        url: where it is.
        target: the folder of its files, below the data set, such as ``videos/train``.
        unpack: writes the files of an archive into an empty folder; raises ``Damaged`` if it cannot.
    """

    name: str
    url: str
    target: str
    unpack: Callable[[Path, Path], None]


class Fetcher:
    """Fetches archives of a data set; may be called from several threads, with different archives.

    Args:
        root: the folder of the data set.
        web: the requests.
        expected: digests by path, from elsewhere; an archive without one is compared with what was seen of it before.
        keep: whether archives stay in ``root/archives``.
    """

    def __init__(self, root: Path, web: Web, *, expected: dict[str, str], keep: bool) -> None:
        self.root = root
        self._web, self._expected, self._keep = web, expected, keep
        self._digests = DigestList(root / "digests.sha256")
        self._journal = Journal(root / "journal.jsonl")

    def is_done(self, archive: Archive) -> bool:
        """Whether the archive was unpacked, its files are there, and its digest is the one expected."""
        files = self._journal.files(archive.name)
        wanted = digest_of(self._expected, archive.name)
        folder = self.root / archive.target
        agrees = wanted is None or wanted == self._digests.get(archive.name)
        return bool(files) and agrees and all((folder / name).is_file() for name in files)

    def files(self, archive: Archive) -> tuple[str, ...]:
        """The files of an unpacked archive, relative to its target."""
        return self._journal.files(archive.name)

    def tidy(self, archive: Archive) -> None:
        """Deletes an archive that is done and was not meant to stay: a process may be killed just before it does so."""
        if not self._journal.is_kept(archive.name):
            self._path(archive).unlink(missing_ok=True)

    def fetch(self, archive: Archive, remote: Remote, meter: Meter) -> None:
        """Downloads, compares, unpacks; a damaged archive once more.

        Raises:
            InputError: if it is damaged again, hostile, or cannot be had; the message names it.
        """
        try:
            self._once(archive, remote, meter)
        except Damaged:
            self._forget(archive, meter)
            try:
                self._once(archive, self._web.ask(archive.url), meter)
            except Damaged as error:
                self._forget(archive, meter)
                raise InputError(f"{archive.name}: {error}, and so it was the first time; see {archive.url}") from error

    def _once(self, archive: Archive, remote: Remote, meter: Meter) -> None:
        path = self._path(archive)
        if path.is_file():
            meter.on_bytes(path.stat().st_size)
        else:
            download(self._web, remote, path, meter.on_bytes)
        num_bytes = path.stat().st_size
        if remote.num_bytes is not None and num_bytes != remote.num_bytes:
            raise Damaged(f"it has {num_bytes} bytes instead of {remote.num_bytes}")
        digest = self._checked_digest(archive, path)
        files = self._unpack(archive, path)
        self._digests.record(archive.name, digest)
        self._journal.add(archive.name, files, kept=self._keep)
        if not self._keep:
            path.unlink()
        meter.on_archive(archive.name, len(files), num_bytes)

    def _checked_digest(self, archive: Archive, path: Path) -> str:
        digest = sha256(path)
        given = digest_of(self._expected, archive.name)
        wanted = given or self._digests.get(archive.name)
        if wanted not in (None, digest):
            source = "the list given" if given else f"{self._digests.path} of an earlier run"
            raise Damaged(f"its SHA-256 is {digest}, but {source} says {wanted}")
        return digest

    def _unpack(self, archive: Archive, path: Path) -> tuple[str, ...]:
        """All files, then their names: killed between, the next run unpacks the archive again over them."""
        target = self.root / archive.target
        temporary = target / f".{Path(archive.name).name}.unpacking"  # on the disk of the target
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            archive.unpack(path, temporary)
            files = tuple(sorted(str(file.relative_to(temporary)) for file in temporary.rglob("*") if file.is_file()))
            if not files:
                raise Damaged("there is no file in it")
            for name in files:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(temporary / name, target / name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return files

    def _forget(self, archive: Archive, meter: Meter) -> None:
        path = self._path(archive)
        if path.is_file():
            meter.on_bytes(-path.stat().st_size)
            path.unlink()
        discard(part_of(path))

    def _path(self, archive: Archive) -> Path:
        return self.root / "archives" / archive.name
