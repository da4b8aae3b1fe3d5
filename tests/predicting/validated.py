"""A checkpoint of a small network, videos, and what the trainer's validation and test say of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from gcvideo.commands._look import build_to_look
from gcvideo.training.task import ActionRecognition
from tests.commands.small import SMALL

BACKBONES: dict[str, dict[str, Any]] = {
    "slow": {"class_path": "SlowOnly", "init_args": {"depth": 50, "width": 8}},
    "i3d": {"class_path": "I3D", "init_args": {"depth": 50, "width": 8}},
}
ONE_VIEW = ("--data.num_test_clips=1", "--data.num_test_crops=1")
_NON_LOCAL = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")
CONTEXTS: dict[str, dict[str, Any] | None] = {
    "bare": None,
    "gc": {"class_path": "GlobalContext", "init_args": {"ratio": 0.25}},
    **{f"nl_{name}": {"class_path": "NonLocal", "init_args": {"pairwise": name}} for name in _NON_LOCAL},
}


@dataclass(frozen=True)
class Validated:
    """What the trainer says.

    Attributes:
        checkpoint: as ``gcvideo fit`` leaves one.
        videos: of the validation, in its order.
        probabilities: (videos, K), of ``Trainer.validate``.
        tested: (videos, K), of ``Trainer.test``, one view a video.
    """

    checkpoint: Path
    videos: list[Path]
    probabilities: Tensor
    tested: Tensor


def validate(folder: Path, root: Path, backbone: str, context: str, precision: str = "32-true") -> Validated:
    """Random weights, so that no block is the identity and no class is certain; nothing is trained.

    Args:
        folder: where the checkpoint goes.
        root: videos in ``train``, ``val`` and ``test``, the last two of which are the same.
        backbone: one of ``BACKBONES``.
        context: one of ``CONTEXTS``.
        precision: of the trainer.
    """
    config = folder / "config.yaml"
    config.write_text(json.dumps({"model": {"backbone": BACKBONES[backbone], "context": _context(context)}}))
    options = [
        *SMALL,
        f"--trainer.precision={precision}",
        f"--data.root={root}",
        "--data.holdout=0",
        *ONE_VIEW,
        f"--run_dir={folder / 'run'}",
    ]
    cli = build_to_look(["folder", str(config)], options, {"accelerator": "cpu"})
    task, data = cli.model, cli.datamodule
    _randomise(task.network)
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        precision=precision,  # type: ignore[arg-type]
        logger=False,
        callbacks=[_KeepsConfig(cli.trainer)],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.validate(task, datamodule=data, verbose=False)
    probabilities = _probabilities(task)
    trainer.test(task, datamodule=data, verbose=False)
    trainer.save_checkpoint(folder / "best.ckpt")
    videos = [Path(record.path) for record in data.val_records()]
    return Validated(folder / "best.ckpt", videos, probabilities, _probabilities(task))


class _KeepsConfig(Callback):
    """Puts the configuration into the checkpoint as the tracker of a run does."""

    def __init__(self, trainer: Any) -> None:
        (self.tracker,) = [one for one in trainer.callbacks if type(one).__name__ == "RunTracker"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.tracker.config


def _context(name: str) -> dict[str, Any]:
    block = CONTEXTS[name]
    inserted = block and {"block": block, "stages": {"res3": [1], "res4": [3]}, "position": "after_1x1"}
    return {"gc": None, "block": inserted}


def _randomise(network: nn.Module) -> None:
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.add_(torch.randn(parameter.shape) * (0.1 if ".block." in name else 0.02))
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(std=0.1)


def _probabilities(task: ActionRecognition) -> Tensor:
    assert task.evaluation is not None
    return task.evaluation.probabilities
