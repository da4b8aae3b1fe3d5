"""Which checkpoint a run goes on from where one is damaged; and a file that was made to do harm does none."""

from __future__ import annotations

import itertools
import os
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gcvideo.cli import run
from gcvideo.commands.running.folders import choose_folder, find_checkpoint, how_to_continue
from gcvideo.errors import InputError
from gcvideo.safe_load import load_safely
from gcvideo.tracking.checkpoint_io import SafeCheckpointIO
from gcvideo.tracking.metrics_log import read_metrics
from tests.commands.conftest import SMALL

_END = 22 + 79  # bytes of a zip's end record, and of the digest behind it


def _checkpoint(step: int) -> dict[str, Any]:
    state = {f"w{number}": torch.full((50, 40), float(step + number)) for number in range(5)}
    return {"state_dict": state, "global_step": step, "pytorch-lightning_version": "2.6.6", "callbacks": {}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a run of six steps left: its last checkpoint, the one before, and the best."""
    files = SafeCheckpointIO()
    for step, name in ((3, "last"), (3, "best"), (6, "last")):
        files.save_checkpoint(_checkpoint(step), tmp_path / "run" / f"{name}.ckpt")
    return tmp_path / "run"


def _places(path: Path) -> dict[str, list[int]]:
    """Where in a checkpoint a bit may turn over: some bytes of each part of it."""
    size, directory = path.stat().st_size, zipfile.ZipFile(path).start_dir
    return {
        "header": [0, 1, 2, 3, 6, 10, 14, 18, 26, 30, 66],
        "content": [int(directory * share) for share in (0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9)],
        "directory": [directory, directory + 16, directory + 20, directory + 46],
        "end record": [size - _END + offset for offset in (0, 3, 8, 12, 16, 20, 21)],
        "digest": [size - 79, size - 70, size - 64, size - 30, size - 1],
    }


def _damaged(path: Path, part: str) -> Iterator[bytes]:
    """The file with one bit turned over, at some places of a part."""
    content = path.read_bytes()
    for place in _places(path)[part]:
        for bit in (0, 7):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            yield bytes(changed)


def _turn_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _cut_short(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    for length in (0, 1, 10, 22, 101, len(content) // 3, len(content) - 5000):
        yield content[:length]
    for missing in (_END + 1, _END, _END - 1, 80, 79, 78, 64, 1):
        yield content[:-missing]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("header", "is damaged: its digest differs"),
        ("content", "is damaged: its digest differs"),
        ("directory", "is damaged: its digest differs"),
        ("end record", "is damaged: its (digest differs|end is missing or broken)"),
        ("digest", "is damaged: its (digest differs|end is missing or broken)"),
        ("cut short", "is (empty|damaged: its end is missing or broken|damaged, or holds more)"),
    ],
)
def test_damaged_last_checkpoint_is_told_and_the_one_before_stands_in(
    folder: Path, caplog: pytest.LogCaptureFixture, part: str, reason: str
) -> None:
    last = folder / "last.ckpt"
    for content in list(_cut_short(last) if part == "cut short" else _damaged(last, part)):
        caplog.clear()
        last.write_bytes(content)
        found = find_checkpoint("last", str(folder))
        assert found == str(folder / "previous.ckpt")
        assert SafeCheckpointIO().load_checkpoint(found)["global_step"] == 3
        (line,) = caplog.messages
        assert re.match(f"checkpoint {last} ({reason})", line), line
        assert line.endswith("; previous.ckpt stands in for it: what was trained after its step 3 is lost")


def test_missing_last_checkpoint_is_told_and_the_one_before_stands_in(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "last.ckpt").unlink()
    assert find_checkpoint("last", str(folder)) == str(folder / "previous.ckpt")
    assert "last.ckpt is missing; previous.ckpt stands in for it" in caplog.text
    assert "--ckpt_path last" in how_to_continue(folder)
    with pytest.raises(InputError, match="holds a run already"):
        choose_folder(str(folder), None, "other")


def test_whole_last_checkpoint_is_taken_without_a_word(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert find_checkpoint("last", str(folder)) == str(folder / "last.ckpt")
    assert find_checkpoint("best", str(folder)) == str(folder / "best.ckpt")
    assert caplog.messages == []


def test_checkpoint_of_a_time_without_digests_is_taken_if_it_loads(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    last = folder / "last.ckpt"
    torch.save(_checkpoint(9), last)
    assert find_checkpoint("last", str(folder)) == str(last)
    assert caplog.messages == []
    last.write_bytes(last.read_bytes()[:-5000])
    assert find_checkpoint("last", str(folder)) == str(folder / "previous.ckpt")


def test_no_whole_checkpoint_is_told_with_what_there_is(folder: Path) -> None:
    for name in ("last", "previous"):
        (folder / f"{name}.ckpt").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(InputError) as raised:
        find_checkpoint("last", str(folder))
    assert re.fullmatch(
        f"no checkpoint to continue from in {folder}: last.ckpt is damaged: [^;]+; previous.ckpt is damaged: [^;]+; "
        r"best.ckpt \(step 3\) is whole, but another point in time: --ckpt_path best goes on from there",
        str(raised.value),
    )
    (folder / "best.ckpt").unlink()
    with pytest.raises(InputError, match=r"previous\.ckpt is damaged: .*; start anew"):
        find_checkpoint("last", str(folder))


@pytest.mark.parametrize("by_name", [True, False])
def test_damaged_best_checkpoint_is_refused_and_the_last_ones_are_named(folder: Path, by_name: bool) -> None:
    best = folder / "best.ckpt"
    _turn_a_bit(best)
    with pytest.raises(InputError) as raised:
        find_checkpoint("best" if by_name else str(best), str(folder))
    assert str(raised.value) == (
        f"checkpoint {best} is damaged: its digest differs, so bytes have changed in it; whole beside it: "
        "last.ckpt (step 6), previous.ckpt (step 3); name one of them"
    )


class _Evil:
    """Runs a command where it is unpickled without care."""

    def __init__(self, harm: Path) -> None:
        self.harm = harm

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, (f"touch {self.harm}",))


def _write_evil(path: Path, harm: Path, form: str) -> None:
    content = {**_checkpoint(9), "state_dict": _Evil(harm)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    elif form == "without a digest":
        torch.save(content, path)
    else:
        SafeCheckpointIO().save_checkpoint(content, path)


@pytest.mark.parametrize(
    ("command", "form"),
    [
        *itertools.product(["fit", "validate", "test"], ["pickle", "without a digest", "with the right digest"]),
        ("pretrained", "with the right digest"),
    ],
)
def test_file_that_would_run_a_command_is_refused_and_runs_nothing(
    videos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    form: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    _write_evil(tmp_path / "x.ckpt", tmp_path / "harm", form)
    options = ["--config", "demo", "--data.root", str(videos), *SMALL, "--trainer.logger=false"]
    wanted = ["fit", "--model.pretrained=x.ckpt"] if command == "pretrained" else [command, "--ckpt_path=x.ckpt"]
    assert run([*wanted, *options]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"gcvideo: error: (checkpoint|model.pretrained) x.ckpt ", line), line
    assert "holds more than weights and plain values, which is not loaded as it could run code" in line
    assert not (tmp_path / "harm").exists()


def test_last_checkpoint_that_was_put_there_is_refused_and_not_passed_over(folder: Path, tmp_path: Path) -> None:
    """It is no damage: its digest is right."""
    _write_evil(folder / "last.ckpt", tmp_path / "harm", "with the right digest")
    with pytest.raises(InputError, match="is damaged, or holds more than weights"):
        find_checkpoint("last", str(folder))
    assert not (tmp_path / "harm").exists()


def test_weights_of_a_damaged_checkpoint_are_not_started_from(folder: Path) -> None:
    _turn_a_bit(folder / "best.ckpt")
    with pytest.raises(InputError, match=r"model\.pretrained .*/best\.ckpt is damaged: its digest differs"):
        load_safely(folder / "best.ckpt", "model.pretrained")


def test_run_goes_on_from_the_one_before_and_ends_with_the_same_weights(
    fit: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = fit("here", "--trainer.max_epochs=3")
    before = read_metrics(folder)
    whole = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    for name in ("last.ckpt", "best.ckpt"):
        _turn_a_bit(folder / name)
    caplog.clear()
    fit("here", "--trainer.max_epochs=3", "--ckpt_path=last")
    assert (
        "last.ckpt is damaged: its digest differs, so bytes have changed in it; previous.ckpt stands in" in caplog.text
    )
    assert "after its step 6 is lost" in caplog.text
    assert "best.ckpt is damaged: its digest differs" in caplog.text
    again = SafeCheckpointIO().load_checkpoint(folder / "last.ckpt")["state_dict"]
    assert all(torch.equal(value, whole[name]) for name, value in again.items())
    losses = [[row["train/loss"] for row in rows if "train/loss" in row] for rows in (before, read_metrics(folder))]
    assert losses[0] == losses[1]
    assert SafeCheckpointIO().load_checkpoint(folder / "best.ckpt")["global_step"] == 9
    assert SafeCheckpointIO().load_checkpoint(folder / "previous.ckpt")["global_step"] == 6
