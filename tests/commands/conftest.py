from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gcvideo.data.folder import VideoFolder
from gcvideo.data.indexing.index import cached_manifest_path
from tests.commands.small import SMALL as SMALL
from tests.commands.whole_runs import RECIPE, Job, Whole
from tests.conftest import write_class_folders


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos and the manifest that ``fit`` makes of them, in ``videos`` and ``cache``: made once."""
    base = tmp_path_factory.mktemp("indexed")
    counts = {"train/jump": 8, "train/run": 8, "val/jump": 3, "val/run": 3}
    root = write_class_folders(base / "videos", counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCVIDEO_CACHE", str(base / "cache"))
        VideoFolder(root=str(root)).prepare_data()
    return base


@pytest.fixture
def videos(indexed: Path, tmp_path: Path) -> Path:
    """Two classes, eight training videos each and three for the end, with their manifest: paths in it are relative."""
    root = shutil.copytree(indexed / "videos", tmp_path / "videos")
    to = cached_manifest_path(root)
    to.parent.mkdir(parents=True)
    for made in (indexed / "cache" / "manifests").iterdir():
        shutil.copy2(made, to.with_name(to.stem + made.name[made.name.index(".") :]))
    return root


@pytest.fixture
def fit(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Runs ``gcvideo fit`` in this process, in a folder of its own; gives the run folder."""
    from gcvideo.cli import run

    monkeypatch.chdir(tmp_path)

    def go(name: str, *options: str, config: str = "demo", code: int = 0, wandb: bool = False) -> Path:
        arguments = ["fit", "--config", config, "--data.root", str(videos), "--run_dir", name, *SMALL]
        arguments += [] if wandb else ["--trainer.logger=false"]
        assert run([*arguments, "--trainer.max_epochs=2", "--trainer.log_every_n_steps=1", *options]) == code
        return tmp_path / name

    return go


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The run that nothing happens to, for each way of running it, made once."""
    counts = {"train/jump": 8, "train/run": 8, "val/jump": 1, "val/run": 1}
    videos = write_class_folders(tmp_path_factory.mktemp("data"), counts)
    made: dict[tuple[int, int, str], tuple[Job, Any]] = {}

    def run(workers: int, ranks: int, precision: str) -> tuple[Job, Any]:
        key = (workers, ranks, precision)
        if key not in made:
            how = [f"--data.num_workers={workers}", f"--trainer.devices={ranks}", f"--trainer.precision={precision}"]
            options = [*SMALL, *RECIPE, "--data.root", str(videos), *how]
            options += ["--trainer.strategy=ddp", "--data.batch_size=1"] if ranks > 1 else []
            job = Job(tmp_path_factory.mktemp("whole") / "run", options)
            job.finish()
            made[key] = job, job.end()
        return made[key]

    return run
