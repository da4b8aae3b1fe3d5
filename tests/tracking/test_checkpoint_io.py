"""What is on the disk after a save, a kill, a full disk and a damage; in the files themselves."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import io
import multiprocessing
import os
import random
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch

from gcvideo.errors import InputError
from gcvideo.safe_load import check_digest, load_safely
from gcvideo.tracking.checkpoint_io import NotSaved, SafeCheckpointIO
from gcvideo.tracking.whole_files import write_whole

_NEW_NAMESPACE = 0x00020000  # CLONE_NEWNS of sched.h


def _checkpoint(step: int, megabytes: float = 0.04) -> dict[str, Any]:
    """Every number in it is its step, so that a mixture of two shows."""
    values = torch.full((4, int(megabytes * 1e6 / 16)), float(step))
    return {"global_step": step, "state_dict": {f"w{row}": values[row].clone() for row in range(4)}}


def _step_of(path: Path) -> int:
    """The step of a checkpoint that is whole."""
    assert check_digest(path, "checkpoint")
    checkpoint = load_safely(path, "checkpoint")
    step = int(checkpoint["global_step"])
    assert all(bool((value == step).all()) for value in checkpoint["state_dict"].values())
    return step


def _save(folder: Path, *steps: int, name: str = "last.ckpt") -> None:
    files = SafeCheckpointIO()
    for step in steps:
        files.save_checkpoint(_checkpoint(step), folder / name)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_file_is_read_by_every_reader_of_zips(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    _save(tmp_path, 7)
    expected = _checkpoint(7)["state_dict"]["w2"]
    assert zipfile.is_zipfile(path)
    assert zipfile.ZipFile(path).testzip() is None
    for content in (
        torch.load(path, weights_only=True),
        torch.load(path, weights_only=True, mmap=True),
        torch.load(io.BytesIO(path.read_bytes()), weights_only=True),
        SafeCheckpointIO().load_checkpoint(path),
    ):
        assert torch.equal(content["state_dict"]["w2"], expected)


def test_digest_is_that_of_the_file_as_torch_writes_it(tmp_path: Path) -> None:
    plain = io.BytesIO()
    torch.save(_checkpoint(7), plain)
    _save(tmp_path, 7)
    written = (tmp_path / "last.ckpt").read_bytes()
    digest = hashlib.sha256(plain.getvalue()).hexdigest()
    assert zipfile.ZipFile(tmp_path / "last.ckpt").comment == b"gcvideo sha256 " + digest.encode()
    assert written[: len(plain.getvalue()) - 2] == plain.getvalue()[:-2]


def test_last_checkpoint_keeps_its_predecessor_and_others_do_not(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    assert _names(tmp_path) == {"last.ckpt"}
    _save(tmp_path, 2, 3)
    _save(tmp_path, 2, 3, name="best.ckpt")
    assert _names(tmp_path) == {"last.ckpt", "previous.ckpt", "best.ckpt"}
    assert [_step_of(tmp_path / name) for name in ("last.ckpt", "previous.ckpt", "best.ckpt")] == [3, 2, 3]


def test_predecessor_is_kept_where_a_file_cannot_have_two_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(link: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "this file system knows no links")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    _save(tmp_path, 1, 2, 3)
    assert _names(tmp_path) == {"last.ckpt", "previous.ckpt"}
    assert [_step_of(tmp_path / name) for name in ("last.ckpt", "previous.ckpt")] == [3, 2]


def test_damaged_checkpoint_never_takes_the_place_of_a_whole_one(tmp_path: Path) -> None:
    _save(tmp_path, 1, 2)
    last = tmp_path / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-5000])
    _save(tmp_path, 3)
    assert [_step_of(tmp_path / name) for name in ("last.ckpt", "previous.ckpt")] == [3, 1]


def test_what_a_killed_save_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".last.ckpt.0123abcd.tmp", ".config.yaml.0123abcd.tmp", ".mine", "notes.tmp", ".last.ckpt.mine.tmp"):
        (tmp_path / name).touch()
    _save(tmp_path, 1)
    assert _names(tmp_path) == {".mine", "notes.tmp", ".last.ckpt.mine.tmp", "last.ckpt"}


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotSaved, match=r"file/last\.ckpt cannot be written: ") as raised:
        _save(tmp_path / "file", 1)
    assert raised.value.exit_code == 1


def test_options_of_a_remote_store_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="expected none"):
        SafeCheckpointIO().save_checkpoint(_checkpoint(1), tmp_path / "last.ckpt", storage_options={"acl": "private"})


def test_changed_file_is_not_loaded_for_training(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    content = bytearray((tmp_path / "last.ckpt").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "last.ckpt").write_bytes(content)
    torch.load(tmp_path / "last.ckpt", weights_only=True)  # torch does not notice
    with pytest.raises(InputError, match=r"last\.ckpt is damaged: its digest differs"):
        SafeCheckpointIO().load_checkpoint(tmp_path / "last.ckpt")


def test_text_that_does_not_fit_leaves_the_one_of_before(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write_whole(path, "old\n")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "new\n" * 10000 + "\udcff")
    assert (path.read_text(), _names(tmp_path)) == ("old\n", {"config.yaml"})


def _in_a_fresh_process(work: Callable[..., None], *arguments: Any) -> tuple[Any, Connection]:
    """A process forked from a server that has torch loaded already; and the end of a pipe whose other end it has."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gcvideo.tracking.checkpoint_io"])
    here, there = context.Pipe()
    process = context.Process(target=work, args=(*arguments, there), daemon=True)
    process.start()
    there.close()
    return process, here


def _save_on_and_on(folder: Path, step: int, said: Connection) -> None:
    torch.set_num_threads(1)
    files = SafeCheckpointIO()
    while True:
        step += 1
        files.save_checkpoint(_checkpoint(step, megabytes=2), folder / "last.ckpt")
        said.send(step)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 5))])
def test_kill_at_any_moment_of_a_save_loses_no_checkpoint(tmp_path: Path, seed: int) -> None:
    """Ten kills; each time both files are whole, and the last one is that which was being written or that before it."""
    _save(tmp_path, 0, 1)
    moments, step, cut_short = random.Random(seed), 1, 0
    for _ in range(10):
        process, said = _in_a_fresh_process(_save_on_and_on, tmp_path, step)
        step = said.recv()
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        process.join()
        step = _last_word(said, step)
        cut_short += len(list(tmp_path.glob(".last.ckpt.*")))
        last, previous = _step_of(tmp_path / "last.ckpt"), _step_of(tmp_path / "previous.ckpt")
        assert step <= last <= step + 1
        assert last - 2 <= previous < last
        step = last
    assert cut_short > 0  # the moments were such that they mattered


def _last_word(said: Connection, word: int) -> int:
    """What a process that is gone said at last."""
    try:
        while said.poll():
            word = said.recv()
    except EOFError:
        pass
    return word


def _fill(folder: Path, answer: Connection) -> None:
    """Saves into a disk of 2 MB that this process alone sees, until it is full; answers what was said and is there."""
    if ctypes.CDLL(None).unshare(_NEW_NAMESPACE):
        answer.send(None)
        return
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)], check=True)
    files, said = SafeCheckpointIO(), ""
    files.save_checkpoint(_checkpoint(1, megabytes=1.2), folder / "last.ckpt")
    try:
        files.save_checkpoint(_checkpoint(2, megabytes=1.2), folder / "last.ckpt")
    except NotSaved as error:
        said = f"{error.exit_code} {error}"
    answer.send((said, _names(folder), _step_of(folder / "last.ckpt")))


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root mounts a small disk")
def test_full_disk_keeps_the_old_checkpoint_and_says_how_much_is_missing(tmp_path: Path) -> None:
    process, answer = _in_a_fresh_process(_fill, tmp_path)
    found = answer.recv()
    process.join()
    if found is None:
        pytest.skip("no mount namespace of its own for a process here")
    said, names, step = found
    assert (names, step) == ({"last.ckpt"}, 1)
    assert said.startswith(f"75 checkpoint {tmp_path}/last.ckpt cannot be written: the disk is full (1.2 MB needed, 0.")
    assert said.endswith(" MB free)")
    assert list(tmp_path.iterdir()) == []  # nothing stays mounted
