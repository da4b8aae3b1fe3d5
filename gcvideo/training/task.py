"""The task: what one training, validation and test step does. It logs numbers and never names a logger."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any, Literal

import torch
from lightning import Callback, LightningModule
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Optimizer

from gcvideo.evaluation.exact_sums import ViewAverage
from gcvideo.evaluation.metrics import accuracies
from gcvideo.evaluation.scores import VideoScores, describe_incomplete
from gcvideo.models.backbones.resnet import Backbone
from gcvideo.models.head import HeadKind
from gcvideo.models.network import KINETICS_MEAN, KINETICS_STD, Network
from gcvideo.models.sites import Insertion
from gcvideo.models.weights import Inflation, load_pretrained
from gcvideo.records import Batch, Evaluation, ExpectedViews
from gcvideo.training.averaging import AveragedWeights, check_averaging, trained_state
from gcvideo.training.class_weights import ClassWeights, check_class_weights, weigh_targets, weights_of_run
from gcvideo.training.finite_steps import FiniteSteps, gradient_norm
from gcvideo.training.fused import align_states, fuse, prepare_step
from gcvideo.training.mixing import Mixing
from gcvideo.training.parameter_groups import NoDecay, StageRates, check_groups, parameter_groups, scale_rates
from gcvideo.training.precise_bn import keeping_statistics
from gcvideo.training.run_length import run_length
from gcvideo.training.schedule import Schedule
from gcvideo.training.seeds import seed_batch
from gcvideo.training.unfreezing import GradualUnfreezing, check_unfreezing

log = logging.getLogger(__name__)


def _sgd(parameters: Any) -> Optimizer:
    return SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)


class ActionRecognition(LightningModule):
    """Learns to tell the class of a video.

    Args:
        backbone: the 3D ResNet.
        num_classes: K (set by the data).
        context: named insertions of context blocks; null leaves one out.
        dropout: before the classifier, 0 to 1.
        head: global: average over all positions; pytorchvideo, pyslowfast: over windows of 224 px, as in their tests.
        mean: of each colour, in pixel values scaled to 0-1.
        std: of each colour, likewise.
        pretrained: weights to start from: a file (pytorchvideo's zoo, a checkpoint of gcvideo, a torchvision ResNet),
            or a name that is downloaded once: IMAGENET1K_V1, IMAGENET1K_V2, pytorchvideo/slow_r50, i3d_r50, c2d_r50.
        inflation: how a 2D filter becomes one of several frames: average over them, or in the center one.
        optimizer: makes the optimizer from parameter groups.
        schedule: how the learning rate goes.
        mixing: mixup, cutmix, label smoothing.
        no_decay: what weight decay does not touch: some of norms, biases, nonlocal_norms (those of non-local blocks).
        base_batch: clips a step that the optimizer's learning rate is meant for; the rate is scaled linearly to the
            real number, over all devices and accumulated batches (Goyal et al., https://arxiv.org/abs/1706.02677).
            null takes the rate as it is.
        stage_rates: learning rates that differ along the network.
        class_weights: what a clip counts in the training loss, by its true class (of a mixed clip each by its share):
            inverse to the number of training videos of the class, sqrt_inverse to the root of it, or a weight for each
            class; scaled so that the mean over the clips of an epoch is 1. null and none: all the same.
        unfreeze_at: stages (stem, res2 to res5) that stay as they were loaded, and the epoch (0-based) that each is
            trained from, such as {res5: 1, res4: 3}; a stage that is not named is trained from the start, and so are
            context blocks everywhere. null holds none.
        ema: decay, a step, of a moving average of the weights, which is what is validated and saved; training goes on
            with the weights themselves. 0 is off, 0.999 usual; in the beginning it is (1 + n) / (10 + n) after n steps,
            as in TensorFlow's ExponentialMovingAverage.
        precise_bn: global training batches (each device reads its share of every one) that the statistics of the batch
            norms are computed from before each validation (Wu and Johnson, https://arxiv.org/abs/2105.07576). 0 is off,
            200 usual in PySlowFast.
        view_average: what is averaged over the views of a video in validation, test and prediction: probabilities, or
            logits (then the softmax comes after; a view that is sure counts more).
        max_skipped: steps in a row that are left out because their gradient is not finite before the run stops.
        channels_last: memory layout channels_last_3d (faster where convolutions are; the same results).
        compile: whether the network goes through torch.compile, which takes minutes at first and is faster then.
        seed: the run's seed (set by seed_everything).

    Attributes:
        continues: whether a fit takes up a checkpoint, so that no pretrained weights are wanted; to be set before it,
            for Lightning does not say so in time.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        context: dict[str, Insertion | None] | None = None,
        dropout: float = 0.5,
        head: HeadKind = "global",
        mean: tuple[float, float, float] = KINETICS_MEAN,
        std: tuple[float, float, float] = KINETICS_STD,
        pretrained: str | None = None,
        inflation: Inflation = "average",
        optimizer: OptimizerCallable = _sgd,
        schedule: Schedule = Schedule(),  # noqa: B008 (frozen)
        mixing: Mixing = Mixing(),  # noqa: B008 (frozen)
        no_decay: list[NoDecay] = ["norms", "biases"],  # noqa: B006 (never changed)
        base_batch: int | None = None,
        stage_rates: StageRates = StageRates(),  # noqa: B008 (frozen)
        class_weights: ClassWeights = None,
        unfreeze_at: dict[str, int] | None = None,
        ema: float = 0.0,
        precise_bn: int = 0,
        view_average: ViewAverage = "probabilities",
        max_skipped: int = 10,
        channels_last: bool = True,
        compile: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if _given_hyperparameters.get() is not None:  # the configuration; objects are nothing a checkpoint can hold
            self.save_hyperparameters(logger=False)  # the run tracker records the whole configuration
        self.network = Network(backbone, num_classes, context, dropout, head, mean, std)
        if channels_last:  # the weights' layout; a convolution brings its input into it
            self.network.to(memory_format=torch.channels_last_3d)
        self.num_classes, self.make_optimizer, self.schedule = num_classes, optimizer, schedule
        self.mixing, self.no_decay, self.seed = mixing, no_decay, seed
        self.base_batch, self.stage_rates = base_batch, stage_rates
        self.pretrained, self.inflation, self.compiles = pretrained, inflation, compile
        self.class_weights, self.unfreeze_at = class_weights, unfreeze_at or {}
        self.ema, self.precise_bn = ema, precise_bn
        self.finite_steps = FiniteSteps(max_skipped)
        check_groups(no_decay, base_batch)
        check_averaging(ema, precise_bn)
        check_class_weights(class_weights, num_classes)
        check_unfreezing(self.network, self.unfreeze_at)
        self.continues = False
        self.loss_weights: Tensor | None = None
        self.scores = VideoScores(view_average)
        self.evaluation: Evaluation | None = None

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (N, K) of clips (N, 3, T, H, W), uint8 0-255 or floating 0-1."""
        logits: Tensor = self.network(clips)
        return logits

    def setup(self, stage: str) -> None:
        """A fit that does not continue another starts from the pretrained weights."""
        if self.compiles:
            self.network.compile()
        if stage == "fit":
            self.loss_weights = weights_of_run(self.class_weights, self.trainer)
        if stage != "fit" or self.pretrained is None or self.continues:
            return
        for note in load_pretrained(self.network, self.pretrained, self.inflation):
            log.warning(f"weights of {self.pretrained}: {note}")

    def configure_callbacks(self) -> list[Callback]:
        """What the options of the task add to a run."""
        callbacks: list[Callback] = [self.finite_steps]
        if self.unfreeze_at:
            is_pretrained = self.pretrained is not None
            callbacks.append(GradualUnfreezing(self.network, self.unfreeze_at, is_pretrained=is_pretrained))
        if self.ema or self.precise_bn:
            callbacks.append(AveragedWeights(self.ema, self.precise_bn))
        return callbacks

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A fit without averages goes on from the weights that were trained, not from their average."""
        if self._trainer is not None and self.trainer.training and not (self.ema or self.precise_bn):
            checkpoint["state_dict"] = trained_state(checkpoint)

    def on_train_start(self) -> None:
        """What a checkpoint has brought is in the layout of the weights."""
        for optimizer in self.trainer.optimizers:
            align_states(optimizer)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Dropout and mixing depend on (seed, step, batch, rank) alone, so a continued run draws the same."""
        seed_batch(self.seed, self.global_step, batch_idx, self.global_rank)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean cross-entropy of the readable clips; zero, but with a backward, where there are none."""
        clips, labels, valid = _flat(batch)
        if valid.any():  # what could not be read is not mixed into the rest, nor into the norms' statistics
            clips, labels = clips[valid], labels[valid]
        clips, targets = self.mixing(clips, labels, self.num_classes)
        with nullcontext() if valid.any() else keeping_statistics(self.network):
            logits = self(clips).float()
        counted = weigh_targets(targets, self.loss_weights, self.mixing.label_smoothing)
        loss = self.finite_steps.saw(cross_entropy(logits, counted) * valid.any())
        hits = (logits.argmax(dim=1) == targets.argmax(dim=1)).float().mean() * valid.any()
        for name, value in {"train/loss": loss, "train/top1": hits}.items():  # of the batches of all ranks
            self.log(name, value, prog_bar=True, batch_size=len(clips), sync_dist=True)
        return loss

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Logs the norm of the gradient, leaves a step out where it is not finite, and clips."""
        prepare_step(optimizer)
        norm = gradient_norm(self)
        self.log("train/grad_norm", norm, batch_size=1)
        if self.finite_steps.judge(self.trainer, self, norm):
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collects scores."""
        self._score(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Collects scores."""
        self._score(batch)

    def on_validation_epoch_end(self) -> None:
        """Logs the video-level accuracies."""
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        """Logs the video-level accuracies."""
        self._finish("test")

    def configure_optimizers(self) -> Any:
        """The optimizer and its schedule; the number of steps is computed here, not asked of the trainer.

        (``trainer.estimated_stepping_batches`` would cancel the resume of a loader.)
        """
        groups = parameter_groups(self.network, no_decay=self.no_decay, rates=self.stage_rates)
        optimizer = self.make_optimizer(groups)
        fuse(optimizer)
        length = run_length(self.trainer)
        note = scale_rates(optimizer, self.base_batch, length)
        if note and self.trainer.is_global_zero:
            log.warning(note)
        scheduler = self.schedule.build(optimizer, length.total_steps, length.steps_per_epoch)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _score(self, batch: Batch) -> None:
        self.scores.update(batch, self(_flat(batch)[0]))

    def _finish(self, split: Literal["val", "test"]) -> None:
        self.evaluation = self.scores.compute(self._expected(split))
        self.scores = VideoScores(self.scores.average)
        numbers = accuracies(self.evaluation)
        for name, value in numbers.items():
            self.log(f"{split}/{name}", value, prog_bar=name == "top1")
        self.log(f"{split}/failed", float(len(self.evaluation.failures)))
        if self.evaluation.incomplete:
            self.log(f"{split}/incomplete", float(len(self.evaluation.incomplete)))
            if self.trainer.is_global_zero:
                log.warning(describe_incomplete(self.evaluation))

    def _expected(self, split: Literal["val", "test"]) -> ExpectedViews | None:
        """None where only some batches are wanted, or the loader does not say it."""
        loader: Any = self.trainer.val_dataloaders if split == "val" else self.trainer.test_dataloaders
        batches = self.trainer.num_val_batches if split == "val" else self.trainer.num_test_batches
        expected: ExpectedViews | None = getattr(getattr(loader, "dataset", None), "expected", None)
        return expected if expected and not self.trainer.sanity_checking and batches == [len(loader)] else None


def _flat(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Views become clips: (N, C, T, H, W), labels (N,), valid (N,), with N = B·V."""
    labels = batch.labels[:, None].expand_as(batch.view_indices)
    return batch.clips.flatten(0, 1), labels.flatten(), batch.valid.flatten()
