"""Many archives at a time: estimate, refuse what does not fit, fetch what is missing."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import shlex
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from gcvideo.errors import InputError, plain
from scripts.fetching.archives import Archive, Fetcher
from scripts.fetching.digests import digest_of, read_digests
from scripts.fetching.download import part_of
from scripts.fetching.progress import metered
from scripts.fetching.space import check_room, free_bytes, needed_bytes, readable
from scripts.fetching.unpack import check_rar_program
from scripts.fetching.web import Remote, Web

_ASKED_AT_A_TIME = 16


class Job:
    """The archives of a data set and how they are fetched.

    Args:
        root: the folder of the data set.
        web: the requests.
        archives: what belongs to it.
        digests: a list of digests to compare with.
        jobs: archives at a time.
        keep: whether archives stay.

    Raises:
        InputError: if the list of digests cannot be read or names none of the archives.
    """

    def __init__(
        self, root: Path, web: Web, archives: Sequence[Archive], *, digests: Path | None, jobs: int, keep: bool
    ) -> None:
        self.root, self.archives = root, tuple(archives)
        self._web, self._jobs, self._keep = web, jobs, keep
        expected = read_digests(digests) if digests else {}
        unknown = [archive.name for archive in archives if digest_of(expected, archive.name) is None]
        if digests and len(unknown) == len(self.archives):
            raise InputError(f"{digests}: no line for any of the archives, such as {unknown[0]}")
        if digests and unknown:
            print(f"{digests}: no line for {len(unknown)} archives, such as {unknown[0]}; they are not compared")
        self.fetcher = Fetcher(root, web, expected=expected, keep=keep)
        self._missing = [archive for archive in archives if not self.fetcher.is_done(archive)]
        with ThreadPoolExecutor(_ASKED_AT_A_TIME) as pool:
            self._remotes = list(pool.map(self._ask, self._missing))

    def estimate(self, *, force: bool, dry_run: bool) -> None:
        """Prints what is to come and what room it needs.

        Raises:
            InputError: if it will not fit, unless ``force`` or ``dry_run``; exit code 75.
        """
        sizes = [remote.num_bytes or 0 for remote in self._remotes]
        needed = max(0, needed_bytes(sizes, jobs=self._jobs, keep=self._keep) - self._held_bytes())
        unknown = sum(remote.num_bytes is None for remote in self._remotes)
        print(
            f"{len(self.archives)} archives, {len(self._missing)} to fetch: {readable(sum(sizes))} to download"
            + (f" and {unknown} of unknown size" if unknown else "")
            + f", {readable(needed)} needed while unpacking, {readable(free_bytes(self.root))} free in {self.root}",
            flush=True,
        )
        check_room(self.root, needed, force=force or dry_run)
        for archive, remote in zip(self._missing if dry_run else (), self._remotes, strict=False):
            size = "unknown size" if remote.num_bytes is None else readable(remote.num_bytes)
            print(plain(f"  {archive.name}  {size}  {archive.url}"))

    def fetch(self) -> None:
        """Fetches what is missing; an archive that fails does not hold up the others.

        Raises:
            InputError: if an archive failed; the others are there.
            OSError: if the disk is full or cannot be written; all work has stopped.
        """
        for archive in self.archives:
            if archive not in self._missing:
                self.fetcher.tidy(archive)
        if not self._missing:
            return
        total = sum(remote.num_bytes or 0 for remote in self._remotes)
        failed: list[InputError] = []
        with metered(len(self._missing), total) as meter, ThreadPoolExecutor(self._jobs) as pool:
            work = {
                pool.submit(self.fetcher.fetch, archive, remote, meter)
                for archive, remote in zip(self._missing, self._remotes, strict=True)
            }
            try:
                while work:
                    done, work = wait(work, return_when=FIRST_COMPLETED)
                    failed += [error for future in done if (error := _failure(future))]
            except BaseException:
                self._web.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        _report(failed, len(self._missing))

    def _ask(self, archive: Archive) -> Remote:
        """An archive that is there whole, such as one put there by hand, is not asked for; servers die."""
        path = self.root / "archives" / archive.name
        return Remote(archive.url, path.stat().st_size, "") if path.is_file() else self._web.ask(archive.url)

    def _held_bytes(self) -> int:
        """What a run before this one has left of the missing archives."""
        paths = [self.root / "archives" / archive.name for archive in self._missing]
        paths += [part_of(path) for path in paths]
        return sum(path.stat().st_size for path in paths if path.is_file())


def fetch_and_say_next(options: argparse.Namespace, archives: Sequence[Archive], *, annotations: Path) -> None:
    """A data set of rar archives as its script was told to fetch it, then the line that indexes it.

    Args:
        options: of the script.
        archives: the videos, unpacked into ``videos``, and the labels.
        annotations: what ``gcvideo index`` reads.
    """
    job = Job(options.out, new_web(), archives, digests=options.digests, jobs=options.jobs, keep=options.keep)
    job.estimate(force=options.force, dry_run=options.dry_run)
    if options.dry_run:
        return
    check_rar_program()
    with alone(options.out):
        job.fetch()
    source, videos = shlex.quote(str(annotations)), shlex.quote(str(options.out / "videos"))
    print(f"next:\n  gcvideo index {source} --root {videos}")


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Keeps a second run out of the folder, for two that write the same file would spoil it.

    Raises:
        InputError: if another run is at work in the folder.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{root}: another run is at work in this folder; wait for it or end it") from None
        yield


def new_web() -> Web:
    """Requests of a job that can be stopped."""
    return Web(threading.Event())


def _failure(future: Future[None]) -> InputError | None:
    error = future.exception()
    if error is None or isinstance(error, InputError):
        return error
    raise error


def _report(failed: list[InputError], num_archives: int) -> None:
    if not failed:
        return
    for error in failed[1:]:
        print(plain(f"also: {error}"))
    raise InputError(
        f"{failed[0]} ({len(failed)} of {num_archives} archives failed; the same command tries them again)"
    )
