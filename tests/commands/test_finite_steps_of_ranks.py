"""Real processes, gloo: a step that is not finite on one of two ranks is left out on both, and named once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from gcvideo.data.manifest import read_manifest
from tests.commands.whole_runs import equal
from tests.training.batch_record import read_batches
from tests.training.exact_runs import exact_options, logged, write_videos
from tests.training.rank_runs import fit_command, run_to_the_end
from tests.training.spoiled_steps import read_steps

pytestmark = pytest.mark.long

STEPS, SPOILED = 8, 3
# Norms and an optimizer with a state, and a rate that is another one in each step.
_LEARNING = [
    "--model.backbone.norm=batch",
    "--model.optimizer=torch.optim.AdamW",
    "--model.optimizer.lr=0.003",
    "--model.schedule={kind: cosine, warmup: 0.2}",
    f"--trainer.max_steps={STEPS}",
    "--trainer.devices=2",
]


@dataclass(frozen=True)
class Spoiled:
    """A run on two ranks.

    Attributes:
        rank: that spoiled a step.
        folder: of the run folder and what each rank wrote down.
        said: all that came to the terminal.
    """

    rank: int
    folder: Path
    said: str


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_videos(tmp_path_factory.mktemp("videos"), {"train": 8, "val": 2})


def _train(manifest: Path, folder: Path, *more: str, steps: list[int], rank: int, code: int = 0) -> str:
    """Two ranks; gives what they said."""
    spoils = "--trainer.callbacks+=tests.training.spoiled_steps.SpoiledSteps"
    values = [f"--trainer.callbacks.{name}={value}" for name, value in {"steps": steps, "rank": rank}.items()]
    options = [*exact_options(manifest, folder, batch_size=2), *_LEARNING, spoils, *values]
    command = fit_command(*options, f"--trainer.callbacks.folder={folder / 'batches'}", *more)
    ended = run_to_the_end(command, folder / "log")
    said = (folder / "log").read_text()
    assert ended == code, said
    return said


@pytest.fixture(scope="module")
def left_out(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in which that step was undone."""
    folder = tmp_path_factory.mktemp("left_out")
    _train(manifest, folder, steps=[SPOILED], rank=-1)
    return folder


def _videos(manifest: Path, folder: Path, rank: int, step: int) -> str:
    """What a rank was given in a step, as a message names it."""
    records = read_manifest(manifest).split("train")
    return "; ".join(records[index].path for index in read_batches(folder / "batches", rank)[step]["videos"])


@pytest.fixture(scope="module", params=[0, 1])
def spoiled(request: pytest.FixtureRequest, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Spoiled:
    """The run in which that step is spoiled on one rank."""
    folder = tmp_path_factory.mktemp("spoiled")
    return Spoiled(request.param, folder, _train(manifest, folder, steps=[SPOILED], rank=request.param))


def test_step_that_one_rank_spoils_leaves_nothing_behind(spoiled: Spoiled, left_out: Path) -> None:
    folders = spoiled.folder, left_out
    checkpoints = [torch.load(folder / "run" / "last.ckpt", weights_only=True) for folder in folders]
    for name in ("state_dict", "optimizer_states", "lr_schedulers", "global_step"):
        assert equal(*(checkpoint[name] for checkpoint in checkpoints)), name
    losses = [logged(folder, "train/loss") for folder in folders]
    assert losses[0].pop(SPOILED) == "nan"
    losses[1].pop(SPOILED)
    assert (losses[0], len(losses[0])) == (losses[1], STEPS - 1)


def test_both_ranks_leave_it_out_and_count_it_once(spoiled: Spoiled) -> None:
    first, second = (read_steps(spoiled.folder / "batches", rank) for rank in range(2))
    assert first == second
    assert [row["skipped"] for row in first] == [0] * SPOILED + [1] * (STEPS - SPOILED)
    digests = [row["digest"] for row in first]
    assert digests[SPOILED] == digests[SPOILED - 1]
    assert len(set(digests)) == STEPS - 1


def test_videos_of_the_rank_that_spoiled_it_are_named_once(spoiled: Spoiled, manifest: Path) -> None:
    assert [line for line in spoiled.said.splitlines() if "not finite" in line] == [
        f"step {SPOILED}: the gradient is not finite, and the step is left out (1 so far); videos: "
        f"{_videos(manifest, spoiled.folder, spoiled.rank, SPOILED)}"
    ]


def test_too_many_in_a_row_on_one_rank_end_both(manifest: Path, tmp_path: Path) -> None:
    said = _train(manifest, tmp_path, "--model.max_skipped=2", steps=[3, 4], rank=1, code=1)
    lines = sorted(line for line in said.splitlines() if "gcvideo: error" in line)
    names = _videos(manifest, tmp_path, 1, 4)
    for line, start in zip(lines, ("gcvideo: error on rank 1:", "gcvideo: error:"), strict=True):
        assert line.startswith(f"{start} step 4: the gradient is not finite; videos: {names}; 2 such steps in a row"), (
            line
        )
    checkpoint = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert all(bool(torch.isfinite(value).all()) for value in checkpoint["state_dict"].values())
    assert "Traceback" not in said
