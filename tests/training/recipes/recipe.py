"""What a source says of a training, the same for all sources, and where its rates are looked at."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn
from torch.optim import Optimizer

VIDEOS = 240_436  # training videos of Kinetics-400 as mmaction2 counts them (tools/data/kinetics/README.md)
_SPREAD = 24  # steps that are spread evenly, so that a curve between two bends is looked at


@dataclass(frozen=True)
class Recipe:
    """The training of one config of a source.

    Attributes:
        devices: that it is written for.
        batch: clips in a step, over all devices.
        steps_per_epoch: what the source's sampler and loader come to for ``VIDEOS`` videos; null where they never end.
        epochs: of the run as the config's code has it; null where it counts steps alone.
        steps: of the run.
        lr: the full rate.
        momentum: of SGD.
        nesterov: whether the momentum is Nesterov's.
        clip: largest norm of the gradient; null for no clipping.
        precise_bn: global batches that the norms' statistics are computed from before an evaluation; 0 for none.
        decay: weight decay of each kind of parameter of ``Probe``.
        rates: of steps, 0-based.
    """

    devices: int
    batch: int
    steps_per_epoch: int | None
    epochs: int | None
    steps: int
    lr: float
    momentum: float
    nesterov: bool
    clip: float | None
    precise_bn: int
    decay: dict[str, float]
    rates: dict[int, float]


class Probe(nn.Module):
    """One of each kind of parameter in a source's networks, to be shared out by the source's own code."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(2, 2, 1)
        self.norm = nn.BatchNorm3d(2)
        self.linear = nn.Linear(2, 2)

    def decay(self, optimizer: Optimizer) -> dict[str, float]:
        """The weight decay of each kind, such as ``convolution.bias``."""
        names = {id(parameter): name for name, parameter in self.named_parameters()}
        return {names[id(p)]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}


def chosen_steps(steps: int, bends: Iterable[int]) -> list[int]:
    """The first two and last two of a run, each bend with its neighbours, and some between them."""
    near = {bend + offset for bend in bends for offset in (-1, 0, 1)}
    spread = {round((k + 0.5) * steps / _SPREAD) for k in range(_SPREAD)}
    return sorted(step for step in {0, 1, steps - 2, steps - 1} | near | spread if 0 <= step < steps)


def take_out(git: Path, commit: str, to: Path, *paths: str) -> Path:
    """Writes some paths of a commit into a folder; ``git`` is a clone, bare or not."""
    to.mkdir(parents=True)
    archive = subprocess.run(["git", "-C", git, "archive", commit, *paths], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", to], check=True, input=archive)
    return to


def digests(root: Path, *files: str) -> dict[str, str]:
    """SHA-256 of files under a root."""
    return {file: hashlib.sha256((root / file).read_bytes()).hexdigest() for file in files}


def without_its_init(packages: Mapping[str, Path]) -> None:
    """Makes packages importable whose ``__init__`` asks for more than the files that are wanted of them."""
    for name, folder in packages.items():
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
