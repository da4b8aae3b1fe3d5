"""What the mirror of the CVD Foundation holds, as its repository cvdfoundation/kinetics-dataset documents it.

Kinetics-400 is cut into parts of any videos, Kinetics-600 (train, val) and Kinetics-700-2020 into an archive per class.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

from gcvideo.errors import InputError
from scripts.fetching.archives import Archive
from scripts.fetching.unpack import unpack_tar
from scripts.fetching.web import Web, check_url

OFFICIAL = "https://s3.amazonaws.com/kinetics"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Version:
    """An edition of Kinetics.

    Attributes:
        folder: its folder on the mirror, also part of the names of its lists.
        complete: whether its annotations name all videos; where not, archives are named after classes.
        replacement: an archive of videos that replace damaged ones, or empty.
    """

    folder: str
    complete: bool = True
    replacement: str = ""

    def list_url(self, mirror: str, split: str) -> str:
        """The list of the archives of a split."""
        return f"{mirror}/{self.folder}/{split}/k{self.folder}_{split}_path.txt"

    def annotations_url(self, mirror: str, split: str) -> str:
        """The official CSV of a split."""
        return f"{mirror}/{self.folder}/annotations/{split}.csv"


VERSIONS = {
    "400": Version("400", replacement="replacement_for_corrupted_k400.tgz"),
    "600": Version("600", complete=False),
    "700": Version("700_2020"),  # the mirror has the edition of 2020 alone
}


def list_archives(web: Web, mirror: str, version: Version, split: str) -> list[Archive]:
    """The archives of a split, in the order of the list.

    An address of the official mirror is sought on ``mirror``; blanks and brackets in it are made fit for a request.

    Raises:
        InputError: if the list cannot be had or has a line that is no address of a file.
    """
    url = version.list_url(mirror, split)
    lines = [line.strip() for line in web.read(check_url(url)).decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{url}: the list is empty; name another mirror with --mirror")
    return [_archive(_on_mirror(line, url, mirror), split) for line in lines]


def replacement_archive(mirror: str, version: Version) -> Archive:
    """The archive of the replaced videos."""
    url = check_url(f"{mirror}/{version.folder}/{version.replacement}")
    return Archive(version.replacement, url, "replacement", unpack_tar)


def _archive(url: str, split: str) -> Archive:
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    if not name or name.startswith("."):
        raise InputError(f"list of {split}: {url!r} is no address of an archive; name another mirror with --mirror")
    return Archive(f"{split}/{name}", url, f"videos/{split}", unpack_tar)


def _on_mirror(line: str, list_url: str, mirror: str) -> str:
    path = line.removeprefix("https:").removeprefix("http:")
    official = OFFICIAL.removeprefix("https:") + "/"
    moved = f"{mirror}/{path.removeprefix(official)}" if path.startswith(official) else urljoin(list_url, line)
    return check_url(moved)
