"""Squeeze-and-excitation (SE)."""

from __future__ import annotations

from functools import partial

from gcvideo.models.blocks.context_block import ContextBlock
from gcvideo.models.blocks.fusions import Gate, Scale
from gcvideo.models.blocks.pools import AveragePool, Axes
from gcvideo.models.blocks.transforms import Bottleneck


class SqueezeExcitation(ContextBlock):
    """Scales each channel by a gate of the mean over the clip: z = x * sigmoid(W2 ReLU(W1 mean(x))).

    A gate: with "sigmoid" the block is not the identity at birth but about one half, with "identity" it is.

    Args:
        channels: C of the features.
        ratio: hidden channels as a share of C.
        axes: what is squeezed: spacetime; space (a gate for each frame); time (a gate for each place).
        gate: sigmoid, as published; or identity, twice that, whose last layer starts at zero.

    Shape:
        input and output: (N, C, T, H, W), any floating dtype.

    Raises:
        ValueError: if an option is none of these, ``ratio`` is not between 0 and 1, or it leaves fewer than 2 hidden
            channels.

    Source:
        Hu et al., https://arxiv.org/abs/1709.01507; with biases, as in the official Caffe networks.
    """

    def __init__(self, channels: int, ratio: float = 1 / 16, axes: Axes = "spacetime", gate: Gate = "sigmoid") -> None:
        transform = partial(Bottleneck, ratio=ratio, norm=False, zero=gate == "identity")
        super().__init__(channels, partial(AveragePool, axes=axes), transform, partial(Scale, gate=gate))
