"""A checkpoint from anywhere runs nothing, whatever its options say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gcvideo.commands.running.checkpoint_config import config_of_checkpoint
from gcvideo.errors import InputError
from gcvideo.predicting.saved_model import load_model

# A file of this name is made by whatever runs.
_EVIL = "import pathlib\npathlib.Path({0!r}).touch()\nclass Evil:\n    def __init__(self, *args, **kwargs): pass\n"


def _block(block: Any) -> dict[str, Any]:
    return {"context": {"gc": {"block": block, "stages": {"res4": "all"}, "position": "after_1x1"}}}


_OF_A_NETWORK: dict[str, dict[str, Any]] = {
    "another module": {"backbone": {"class_path": "evilmod.Evil", "init_args": {}}},
    "another module's function": {"backbone": "evilmod.Evil"},
    "what a module of ours has imported": _block(
        {"class_path": "gcvideo.cli.os.system", "init_args": {"command": "touch ran"}}
    ),
    "text that is YAML": {"backbone": "{class_path: evilmod.Evil}"},
    "text that is YAML, of a context": {"context": "{gc: {block: evilmod.Evil, stages: {res4: all}}}"},
    "a class inside of a class": {
        "backbone": {"class_path": "SlowOnly", "init_args": {"norm": {"class_path": "evilmod.Evil"}}}
    },
    "options beside the class": {"backbone": {"class_path": "SlowOnly", "dict_kwargs": {"a": "evilmod.Evil"}}},
    "a key with dots": {"backbone.class_path": "evilmod.Evil", "backbone": {"class_path.x": "evilmod.Evil"}},
}
_OF_THE_DATA: dict[str, dict[str, Any]] = {
    "another module": {"class_path": "evilmod.Evil", "init_args": {}},
    "options of a class": {"class_path": "VideoFolder", "init_args": {"reading": {"class_path": "evilmod.Evil"}}},
    "text that is YAML": {"class_path": "VideoFolder", "init_args": {"reading": "{class_path: evilmod.Evil}"}},
    "an option that is a class": {"class_path": "VideoFolder", "init_args": {"root": {"class_path": "evilmod.Evil"}}},
    "options beside the class": {"class_path": "VideoFolder", "init_args": {}, "dict_kwargs": {"a": "evilmod.Evil"}},
}


@pytest.fixture
def poisoned(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A checkpoint with other options, in a folder with a module that makes the file ``ran`` when it is imported."""
    (tmp_path / "evilmod.py").write_text(_EVIL.format(str(tmp_path / "ran")))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def make(model: dict[str, Any] | None = None, data: dict[str, Any] | None = None) -> Path:
        state = torch.load(checkpoint, weights_only=True)
        state["hyper_parameters"].update(model or {})
        state["config"]["model"].update(model or {})
        state["config"]["data"] = data or state["config"]["data"]
        torch.save(state, tmp_path / "other.ckpt")
        return tmp_path / "other.ckpt"

    return make


@pytest.mark.parametrize("options", _OF_A_NETWORK.values(), ids=_OF_A_NETWORK)
def test_nothing_is_imported_for_a_network(poisoned: Callable[..., Path], options: dict[str, Any]) -> None:
    path = poisoned(options)
    with pytest.raises(InputError, match=r"asks for .*, which is no part of gcvideo; it is not imported"):
        load_model(path)
    with pytest.raises(InputError, match=r"which is no part of gcvideo.*--config FILE"):
        config_of_checkpoint([f"--ckpt_path={path}"])
    assert not Path("ran").exists()


@pytest.mark.parametrize("options", _OF_THE_DATA.values(), ids=_OF_THE_DATA)
def test_nothing_is_imported_for_the_data(poisoned: Callable[..., Path], options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"which is no part of gcvideo.*--config FILE"):
        config_of_checkpoint([f"--ckpt_path={poisoned(data=options)}"])
    assert not Path("ran").exists()


def test_the_module_of_these_tests_would_be_seen_to_run(poisoned: Callable[..., Path]) -> None:
    poisoned()
    __import__("evilmod")
    assert Path("ran").exists()


def test_classes_and_network_must_fit(poisoned: Callable[..., Path]) -> None:
    path = poisoned()
    state = torch.load(path, weights_only=True)
    state["VideoFolder"]["classes"] = ["jump"]
    torch.save(state, path)
    with pytest.raises(InputError, match="names 1 classes, and its network tells 2 apart"):
        load_model(path)


@pytest.mark.parametrize("part", ["preprocessing", "global_step"])
def test_a_part_of_another_form_is_one_line(poisoned: Callable[..., Path], part: str) -> None:
    path = poisoned()
    state = torch.load(path, weights_only=True)
    (state["VideoFolder"] if part == "preprocessing" else state)[part] = {"later": 1}
    torch.save(state, path)
    with pytest.raises(InputError, match="is missing, or is not as this version of gcvideo writes it"):
        load_model(path)
