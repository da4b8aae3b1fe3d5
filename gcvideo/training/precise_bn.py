"""Precise batch norm: the statistics of many batches at fixed weights, not a running average over changing ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gcvideo.models.network import Network
from gcvideo.records import Batch


class _ChannelSums:
    """How many values came into a norm, their sum and the sum of their squares, of each channel.

    Attributes:
        rows: float64 (3, C).
    """

    def __init__(self, norm: _BatchNorm) -> None:
        device = norm.running_mean.device if norm.running_mean is not None else None
        self.rows = torch.zeros(3, norm.num_features, dtype=torch.float64, device=device)
        self.counts = True

    def __call__(self, norm: nn.Module, inputs: tuple[Tensor]) -> None:
        """Adds an input (N, C, ...); the mean and the deviations from it are taken in float32 at least."""
        if not self.counts:
            return
        x = inputs[0].to(torch.promote_types(inputs[0].dtype, torch.float32))
        mean = x.mean((0, *range(2, x.ndim)), keepdim=True)
        variance = (x - mean).square_().mean((0, *range(2, x.ndim))).double()
        mean, number = mean.flatten().double(), x.numel() // x.shape[1]
        self.rows += number * torch.stack([torch.ones_like(mean), mean, variance + mean.square()])


def norms_in_training(network: nn.Module) -> list[_BatchNorm]:
    """The batch norms that normalise by their batch and keep running statistics; frozen ones do not."""
    norms = (module for module in network.modules() if isinstance(module, _BatchNorm))
    return [norm for norm in norms if norm.training and norm.track_running_stats]


@torch.no_grad()
def set_precise_statistics(network: Network, norms: Sequence[_BatchNorm], batches: Iterable[Batch]) -> None:
    """Sets ``running_mean`` and ``running_var`` of norms to those of all readable clips of the batches, on all ranks.

    The clips pass through the network as it is, batch by batch; the norms normalise by their batch (of this rank, or
    of all ranks where they are synchronised), as in training. Mean and variance are those of all values of a channel
    together, whichever batch and rank they come from; the variance is the unbiased one, as torch keeps it in
    ``running_var``. A norm that met fewer than two values keeps what it has.

    Args:
        network: in evaluation mode, on the device of the batches.
        norms: of this network, see ``norms_in_training``.
        batches: as many on every rank, and of the size that is trained with.

    Source:
        Wu and Johnson, https://arxiv.org/abs/2105.07576, section 3, with the estimator of their appendix: one sample of
        all batches combined, not the average of the batches' variances.
    """
    sums = [_ChannelSums(norm) for norm in norms]
    with _normalising_by_batch(norms, sums):
        for batch in batches:
            clips, readable = batch.clips.flatten(0, 1), batch.valid.flatten()
            for sum_ in sums:  # a batch without a readable clip goes through, so that ranks stay together
                sum_.counts = bool(readable.any())
            network.forward(clips[readable] if readable.any() else clips)  # not what was compiled: it has no hooks
    rows = _of_all_ranks([sum_.rows for sum_ in sums])
    for norm, (number, total, squares) in zip(norms, rows, strict=True):
        if number[0] > 1:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            mean = total / number
            norm.running_mean.copy_(mean)
            norm.running_var.copy_((squares - number * mean.square()).clamp(min=0) / (number - 1))


@contextmanager
def keeping_statistics(network: nn.Module) -> Iterator[None]:
    """What passes through the norms in training leaves no trace in their running statistics."""
    kept = [(buffer, buffer.clone()) for norm in norms_in_training(network) for buffer in norm.buffers()]
    yield
    with torch.no_grad():
        for buffer, value in kept:
            buffer.copy_(value)


@contextmanager
def _normalising_by_batch(norms: Sequence[_BatchNorm], sums: Sequence[_ChannelSums]) -> Iterator[None]:
    """The norms add up what comes into them, and move no running statistics; afterwards they are as before."""
    before = [(norm.training, norm.track_running_stats) for norm in norms]
    hooks = [norm.register_forward_pre_hook(sum_) for norm, sum_ in zip(norms, sums, strict=True)]
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for norm, (training, tracks) in zip(norms, before, strict=True):
            norm.training, norm.track_running_stats = training, tracks


def _of_all_ranks(rows: Sequence[Tensor]) -> Sequence[Tensor]:
    """Sums over the ranks, in one message."""
    if not rows or not (distributed.is_available() and distributed.is_initialized()):
        return rows
    together = torch.cat(list(rows), dim=1)
    distributed.all_reduce(together)
    return torch.split(together, [part.shape[1] for part in rows], dim=1)
