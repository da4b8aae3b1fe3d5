"""The training steps that train_step.py compares: ours in its settings, and the peers' as they come."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from pytorchvideo.models.resnet import create_resnet
from side_by_side import Work, from_mmaction2
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Optimizer

from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.blocks.non_local import NonLocal
from gcvideo.models.counting import Clip, count
from gcvideo.models.network import Network
from gcvideo.models.sites import Insertion
from gcvideo.records import Batch
from gcvideo.training.finite_steps import gradient_norm
from gcvideo.training.fused import fuse, prepare_step
from gcvideo.training.parameter_groups import parameter_groups
from gcvideo.training.task import ActionRecognition

NUM_CLASSES = 400
NONE, NL, THEIR_NL, GC = "none", "5 NL", "5 NL, mmaction2's", "13 GC"
_POOLED = partial(NonLocal, subsample=(1, 2, 2))
_POOLED_AFTER = partial(NonLocal, subsample=(1, 2, 2), subsample_where="after")
BLOCKS: dict[str, dict[str, Insertion | None]] = {  # as in the configs slowonly_r50_*
    NONE: {},
    NL: {"nl": Insertion(_POOLED, {"res3": [1, 3], "res4": [1, 3, 5]}, "after_relu")},
    THEIR_NL: {"nl": Insertion(_POOLED_AFTER, {"res3": [0, 2], "res4": [0, 2, 4]}, "after_relu")},
    GC: {"gc": Insertion(GlobalContext, {"res3": "all", "res4": "all", "res5": "all"})},
}
_SGD = partial(SGD, lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)


@dataclass(frozen=True)
class Way:
    """One way to train one network; the defaults are how the peers do it.

    Attributes:
        blocks: which of ``BLOCKS``.
        whose: ours, pytorchvideo or mmaction2.
        bf16: autocast to bfloat16, or float32.
        channels_last: weights in channels_last_3d, or contiguous.
        compiled: through ``torch.compile``.
    """

    blocks: str
    whose: str
    bf16: bool = False
    channels_last: bool = False
    compiled: bool = False

    @property
    def cells(self) -> list[str]:
        """Of a table: blocks, whose, precision, layout."""
        precision = ("bf16" if self.bf16 else "fp32") + (", compiled" if self.compiled else "")
        return [self.blocks, self.whose, precision, "channels_last_3d" if self.channels_last else "contiguous"]

    @property
    def name(self) -> str:
        """The same as one text."""
        return " | ".join(self.cells)


def default(blocks: str, *, compiled: bool = False) -> Way:
    """What `gcvideo fit` does with a shipped config."""
    return Way(blocks, "ours", bf16=True, channels_last=True, compiled=compiled)


def fp32(blocks: str) -> Way:
    """The same with ``--trainer.precision=32-true``."""
    return Way(blocks, "ours", channels_last=True)


def all_ways(*, with_mmaction2: bool, compiled: bool) -> list[Way]:
    """Everything that is compared."""
    return [
        default(NONE),
        fp32(NONE),
        Way(NONE, "ours"),
        Way(NONE, "pytorchvideo"),
        *([Way(NONE, "mmaction2")] if with_mmaction2 else []),
        default(NL),
        fp32(NL),
        *([fp32(THEIR_NL), Way(THEIR_NL, "mmaction2")] if with_mmaction2 else []),
        default(GC),
        fp32(GC),
        *([default(blocks, compiled=True) for blocks in (NONE, NL, GC)] if compiled else []),
    ]


@dataclass(frozen=True)
class Batches:
    """What both kinds of steps are fed: clips uint8 (N, 3, T, H, W), labels int64 (N,)."""

    clips: Tensor
    labels: Tensor

    @classmethod
    def random(cls, num_clips: int, clip: Clip, device: str) -> Batches:
        """The same for every process."""
        draw = torch.Generator().manual_seed(0)
        clips = torch.randint(0, 256, (num_clips, 3, *clip), dtype=torch.uint8, generator=draw)
        labels = torch.randint(0, NUM_CLASSES, (num_clips,), generator=draw)
        return cls(clips.to(device), labels.to(device))

    def ours(self) -> Batch:
        """As our loader gives them: a view a video, uint8."""
        zeros = torch.zeros_like(self.labels)
        valid = torch.ones_like(self.labels, dtype=torch.bool)
        return Batch(self.clips[:, None], self.labels, zeros, zeros[:, None], valid[:, None])

    def normalised(self) -> Tensor:
        """As pytorchvideo's transforms give them: float32, contiguous."""
        return (self.clips.float() / 255 - 0.45) / 0.225


def make_step(way: Way, batches: Batches) -> tuple[Work, int]:
    """A function that does one step, and the number of parameters that it trains."""
    network, optimizer, loss = (_ours if way.whose == "ours" else _peers)(way, batches)

    def step() -> None:
        found = loss()
        optimizer.zero_grad()
        found.backward()
        optimizer.step()

    return step, sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def macs(blocks: str, clip: Clip) -> int:
    """Multiply-adds of the forward pass of one clip, blocks as in their papers."""
    with torch.device("meta"):
        return count(Network(SlowOnly(), NUM_CLASSES, BLOCKS[blocks]), clip).macs


def _ours(way: Way, batches: Batches) -> tuple[nn.Module, Optimizer, Callable[[], Tensor]]:
    """All of the task's step: seeds, normalisation, targets, loss, accuracy, the norm of the gradient; no Lightning."""
    task = ActionRecognition(
        SlowOnly(), NUM_CLASSES, BLOCKS[way.blocks], optimizer=_SGD, channels_last=way.channels_last
    ).to(batches.clips.device)
    if way.compiled:
        task.network.compile()
    batch = batches.ours()

    def loss() -> Tensor:
        task.on_train_batch_start(batch, 0)
        with warnings.catch_warnings(), torch.autocast(batch.clips.device.type, torch.bfloat16, enabled=way.bf16):
            warnings.filterwarnings("ignore", "You are trying to `self.log")  # there is no trainer to log to
            return task.training_step(batch, 0)

    optimizer = task.make_optimizer(parameter_groups(task.network))
    fuse(optimizer)
    optimizer.register_step_pre_hook(lambda *_: _judge(task, optimizer))
    return task.network, optimizer, loss


def _judge(task: ActionRecognition, optimizer: Optimizer) -> None:
    """Before its step."""
    prepare_step(optimizer)
    assert torch.isfinite(gradient_norm(task))


def _peers(way: Way, batches: Batches) -> tuple[nn.Module, Optimizer, Callable[[], Tensor]]:
    """A plain loop over the peer's network."""
    x, labels = batches.normalised(), batches.labels
    network = (_pytorchvideo(x) if way.whose == "pytorchvideo" else _mmaction2(way.blocks)).to(x.device).train()
    return network, _SGD(network.parameters()), lambda: cross_entropy(network(x), labels)


def _pytorchvideo(x: Tensor) -> nn.Module:
    """As its hub makes slow_r50, with a head for clips of this size (its own is for 8x224x224)."""
    frames, height, width = x.shape[2:]
    network: nn.Module = create_resnet(
        stem_conv_kernel_size=(1, 7, 7), head_pool_kernel_size=(frames, -(-height // 32), -(-width // 32))
    )
    return network


def _mmaction2(blocks: str) -> nn.Module:
    """The model of its configs slowonly_r50_8xb16-8x8x1-256e and slowonly_imagenet-...-nl-embedded-gaussian-..."""
    models: Any = from_mmaction2("mmaction.models")
    norm = {"type": "BN3d", "requires_grad": True}
    non_local = {
        "non_local": ((0, 0, 0), (1, 0, 1, 0), (1, 0, 1, 0, 1, 0), (0, 0, 0)),
        "non_local_cfg": {"sub_sample": True, "use_scale": True, "norm_cfg": norm, "mode": "embedded_gaussian"},
    }
    backbone = models.ResNet3dSlowOnly(
        depth=50, pretrained=None, lateral=False, norm_eval=False, **(non_local if blocks == THEIR_NL else {})
    )
    return nn.Sequential(backbone, models.I3DHead(num_classes=NUM_CLASSES, in_channels=2048))
