from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import write_class_folders
from tests.predicting.validated import Validated, validate

MakeValidated = Callable[..., Validated]


@pytest.fixture(scope="session")
def validated(tmp_path_factory: pytest.TempPathFactory) -> MakeValidated:
    """``validated("slow", "gc")``: checkpoint, videos and what validation and test say of them; each is made once."""
    counts = {"train/jump": 1, "train/run": 1, "val/jump": 3, "val/run": 2}
    root = write_class_folders(tmp_path_factory.mktemp("data") / "videos", counts)
    shutil.copytree(root / "val", root / "test")
    made: dict[tuple[str, ...], Validated] = {}

    def make(backbone: str = "slow", context: str = "bare", precision: str = "32-true") -> Validated:
        key = (backbone, context, precision)
        if key not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("GCVIDEO_CACHE", str(root.parent / "cache"))
                made[key] = validate(tmp_path_factory.mktemp("-".join(key[:2])), root, *key)
        return made[key]

    return make


@pytest.fixture(scope="session")
def checkpoint(validated: MakeValidated) -> Path:
    """Of a small network of two classes, jump and run."""
    return validated().checkpoint
