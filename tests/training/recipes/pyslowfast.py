"""The recipes of PySlowFast: its defaults, its rates and its parameter groups, by its own code."""

from __future__ import annotations

import contextlib
import io
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from tests.training.recipes.recipe import VIDEOS, Probe, Recipe, chosen_steps, digests, take_out, without_its_init

REPOSITORY = "facebookresearch/SlowFast"
COMMIT = "287ec0076846560f44a9327e931a5a2360240533"
HOW = "lr_policy.get_lr_at_epoch of (epoch + step / steps an epoch), as tools/train_net.py calls it; models.optimizer"
RELATIVE = 1e-9
_CODE = ("slowfast/utils/lr_policy.py", "slowfast/models/optimizer.py", "slowfast/config/defaults.py")


class PySlowFast:
    """The configs and the code of a commit.

    Args:
        git: a clone.
        folder: where they are written to.
    """

    def __init__(self, git: Path, folder: Path) -> None:
        self.root = take_out(git, COMMIT, folder, "configs", "slowfast")
        rooms = ("slowfast", "slowfast/config", "slowfast/models", "slowfast/utils")
        without_its_init({room.replace("/", "."): self.root / room for room in rooms})

    def about(self) -> dict[str, Any]:
        """Where the recipes come from."""
        return {"libraries": {"torch": str(torch.__version__)}, "code": digests(self.root, *_CODE)}

    def files(self, file: str) -> dict[str, str]:
        """The digest of a config."""
        return digests(self.root, file)

    def of_config(self, file: str) -> dict[str, Any]:
        """What stands in one config alone."""
        return {"dropout": self._read(file).MODEL.DROPOUT_RATE}

    def recipe(self, file: str) -> Recipe:
        """The training of a config."""
        cfg, probe = self._read(file), Probe()
        devices, solver = cfg.NUM_GPUS * cfg.NUM_SHARDS, cfg.SOLVER
        per_epoch = _steps_per_epoch(devices, cfg.TRAIN.BATCH_SIZE // cfg.NUM_GPUS)
        cfg.NUM_GPUS = 1  # construct_optimizer looks into the wrapper of a network on several
        with contextlib.redirect_stdout(io.StringIO()):
            optimizer = import_module("slowfast.models.optimizer").construct_optimizer(probe, cfg)
        bends = [round(epoch * per_epoch) for epoch in (solver.WARMUP_EPOCHS, *solver.STEPS)]
        steps, policy = solver.MAX_EPOCH * per_epoch, import_module("slowfast.utils.lr_policy")
        return Recipe(
            devices=devices,
            batch=cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS,
            steps_per_epoch=per_epoch,
            epochs=solver.MAX_EPOCH,
            steps=steps,
            lr=solver.BASE_LR,
            momentum=optimizer.defaults["momentum"],
            nesterov=optimizer.defaults["nesterov"],
            clip=solver.CLIP_GRAD_L2NORM or solver.CLIP_GRAD_VAL,
            precise_bn=cfg.BN.NUM_BATCHES_PRECISE if cfg.BN.USE_PRECISE_STATS else 0,
            decay=probe.decay(optimizer),
            rates={
                step: policy.get_lr_at_epoch(cfg, step // per_epoch + float(step % per_epoch) / per_epoch)
                for step in chosen_steps(steps, bends)
            },
        )

    def _read(self, file: str) -> Any:
        cfg = import_module("slowfast.config.defaults").get_cfg()
        cfg.merge_from_file(str(self.root / file))
        return cfg


def _steps_per_epoch(devices: int, batch_size: int) -> int:
    """As slowfast/datasets/loader.py builds the loader of the training (that file asks for video decoders)."""
    videos = range(VIDEOS)
    sampler: DistributedSampler[int] = DistributedSampler(videos, num_replicas=devices, rank=0)  # type: ignore[arg-type]
    return len(DataLoader(videos, batch_size, sampler=sampler, drop_last=True))  # type: ignore[arg-type]
