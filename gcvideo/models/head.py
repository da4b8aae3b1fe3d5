"""From features to class scores."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d

HeadKind = Literal["global", "pytorchvideo", "pyslowfast"]
WINDOW = 7  # positions: what a 224 px crop leaves after a stride of 32


class Head(nn.Module):
    """Average, dropout, linear classifier: (N, C, T, H, W) to logits (N, K), for any clip length.

    All kinds are equal on a 224 px crop; on larger ones the zoo's slide a window over the picture.

    Args:
        channels: C.
        num_classes: K.
        dropout: share of the averaged features that is dropped in training, 0 to 1.
        kind: global: average over all positions, any crop. pytorchvideo: average over each window of 7x7 positions,
            classify each, average the logits. pyslowfast: likewise, but in evaluation the probabilities of the windows
            are averaged (the output is their logarithm, so its softmax is that average).

    Raises:
        ValueError: if there is no such kind; in ``forward``, if the features are smaller than the window.

    Source:
        pytorchvideo ``create_res_basic_head`` and PySlowFast ``ResNetBasicHead``.
    """

    def __init__(self, channels: int, num_classes: int, dropout: float, kind: HeadKind = "global") -> None:
        super().__init__()
        kinds = ("global", "pytorchvideo", "pyslowfast")
        if kind not in kinds:
            raise ValueError(f"head is {kind!r}; expected one of {', '.join(kinds)}")
        self.kind = kind
        self.dropout = nn.Dropout(dropout)
        self.proj = nn.Linear(channels, num_classes)
        nn.init.normal_(self.proj.weight, std=0.01)
        nn.init.zeros_(self.proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K)."""
        if self.kind == "global":
            return self._classify(x.mean(dim=(2, 3, 4)))
        logits = self._classify(_windows(x))  # (N, P, K)
        if self.kind == "pyslowfast" and not self.training:
            return logits.float().log_softmax(dim=2).logsumexp(dim=1) - math.log(logits.shape[1])
        return logits.mean(dim=1)

    def _classify(self, features: Tensor) -> Tensor:
        logits: Tensor = self.proj(self.dropout(features))
        return logits


def _windows(x: Tensor) -> Tensor:
    """The average of each window of 7x7 positions and all frames: (N, C, T, H, W) to (N, P, C)."""
    if min(x.shape[3:]) < WINDOW:
        raise ValueError(
            f"the features are {x.shape[3]}x{x.shape[4]} positions, less than the {WINDOW}x{WINDOW} of this head: "
            "take a crop of at least 224 px or the head 'global'"
        )
    if torch.compiler.is_exporting():  # a window as long as the clip would bind the program to that length
        x = x.mean(dim=2, keepdim=True)
    return avg_pool3d(x, (x.shape[2], WINDOW, WINDOW), stride=1).flatten(2).transpose(1, 2)
