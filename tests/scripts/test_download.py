from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from gcvideo.errors import InputError
from scripts.fetching.download import download, part_of
from scripts.fetching.web import Stopped, Web, check_url
from tests.scripts.mirror_server import BUSY, CUT, NO_RANGES, OTHER_PIECE, Mirror

CONTENT = random.Random(0).randbytes(1_000_000)


@pytest.fixture
def web() -> Web:
    return Web(threading.Event(), tries=4, backoff_seconds=0.001, timeout_seconds=5)


def fetch(web: Web, mirror: Mirror, folder: Path) -> tuple[bytes, int]:
    """The bytes that came, and the sum of all changes that were told."""
    told: list[int] = []
    path = folder / "a.tar"
    download(web, web.ask(f"{mirror.url}/a.tar"), path, told.append)
    assert [entry.name for entry in folder.iterdir()] == ["a.tar"]
    return path.read_bytes(), sum(told)


def test_a_cut_connection_goes_on_where_it_stopped(web: Web, mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["a.tar"], mirror.faults["a.tar"] = CONTENT, [CUT, CUT]
    assert fetch(web, mirror, tmp_path) == (CONTENT, 1_000_000)
    assert mirror.gets("a.tar") == ["", "bytes=500000-", "bytes=750000-"]


def test_failures_count_only_in_a_row_without_a_byte(web: Web, mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["a.tar"], mirror.faults["a.tar"] = CONTENT, [CUT] * 10
    assert fetch(web, mirror, tmp_path)[0] == CONTENT


def test_a_busy_server_is_asked_again(web: Web, mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["a.tar"], mirror.faults["a.tar"] = CONTENT, [BUSY, BUSY]
    assert fetch(web, mirror, tmp_path) == (CONTENT, 1_000_000)


def test_a_server_that_stays_busy_is_given_up(web: Web, mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["a.tar"], mirror.faults["a.tar"] = CONTENT, [BUSY] * 9
    with pytest.raises(InputError, match=r"a\.tar: the server answers 503 .*, 4 times in a row"):
        fetch(web, mirror, tmp_path)


def test_a_server_without_ranges_begins_anew(web: Web, mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["a.tar"], mirror.faults["a.tar"] = CONTENT, [CUT, NO_RANGES]
    assert fetch(web, mirror, tmp_path) == (CONTENT, 1_000_000)
    assert mirror.gets("a.tar") == ["", "bytes=500000-"]


def test_a_server_without_validators_begins_anew(web: Web, mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["a.tar"], mirror.faults["a.tar"], mirror.with_validators = CONTENT, [CUT], False
    assert fetch(web, mirror, tmp_path) == (CONTENT, 1_000_000)
    assert mirror.gets("a.tar") == ["", ""]


def test_another_piece_than_asked_is_not_taken(web: Web, mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["a.tar"], mirror.faults["a.tar"] = CONTENT, [CUT, OTHER_PIECE]
    assert fetch(web, mirror, tmp_path) == (CONTENT, 1_000_000)


def test_a_file_that_changed_begins_anew(web: Web, mirror: Mirror, tmp_path: Path) -> None:
    """Once between asking and going on (If-Range says so), once between two runs (the first answer says so)."""
    mirror.files["a.tar"], mirror.faults["a.tar"] = CONTENT, [CUT] + [BUSY] * 9
    with pytest.raises(InputError, match="in a row"):
        fetch(web, mirror, tmp_path)
    assert part_of(tmp_path / "a.tar").read_bytes() == CONTENT[:500_000]
    before = web.ask(f"{mirror.url}/a.tar")
    mirror.files["a.tar"], mirror.faults["a.tar"] = CONTENT[::-1], []
    download(web, before, tmp_path / "a.tar", lambda change: None)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT[::-1]
    assert mirror.gets("a.tar")[-1] == "bytes=500000-"

    (tmp_path / "a.tar").unlink()
    mirror.faults["a.tar"] = [CUT] + [BUSY] * 9
    with pytest.raises(InputError, match="in a row"):
        fetch(web, mirror, tmp_path)
    mirror.files["a.tar"], mirror.faults["a.tar"] = CONTENT, []
    assert fetch(web, mirror, tmp_path) == (CONTENT, 1_000_000)
    assert mirror.gets("a.tar")[-1] == ""


def test_a_second_run_goes_on(web: Web, mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["a.tar"], mirror.faults["a.tar"] = CONTENT, [CUT] + [BUSY] * 9
    with pytest.raises(InputError, match="in a row"):
        fetch(web, mirror, tmp_path)
    mirror.faults["a.tar"] = []
    assert fetch(web, mirror, tmp_path) == (CONTENT, 1_000_000)
    assert mirror.gets("a.tar")[-1] == "bytes=500000-"


def test_a_missing_file_is_not_asked_for_twice(web: Web, mirror: Mirror) -> None:
    with pytest.raises(InputError, match=r"b\.tar: the server answers 404"):
        web.ask(f"{mirror.url}/b.tar")
    assert len(mirror.asked) == 1


def test_a_set_stop_keeps_what_came(web: Web, mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["a.tar"] = CONTENT

    def on_bytes(change: int) -> None:
        if change:
            web.stop.set()

    with pytest.raises(Stopped):
        download(web, web.ask(f"{mirror.url}/a.tar"), tmp_path / "a.tar", on_bytes)
    assert 0 < part_of(tmp_path / "a.tar").stat().st_size < len(CONTENT)


def test_addresses_are_quoted_once() -> None:
    assert check_url("https://s/a b (c).tar.gz") == "https://s/a%20b%20%28c%29.tar.gz"
    assert check_url("https://s/a%20b.tar.gz") == "https://s/a%20b.tar.gz"
    with pytest.raises(InputError, match="no web address"):
        check_url("file:///etc/passwd")
