"""Which videos have come so far, on one process or on all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch.distributed as dist
from lightning.fabric import Fabric

from gcvideo.records import Batch


@dataclass
class Arrived:
    """Videos by their position.

    Attributes:
        views: how many views of each came, readable or not.
        failures: why one, or some of its clips, could not be read.
        readable: those with at least one clip that could.
    """

    views: Counter[int] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)
    readable: set[int] = field(default_factory=set)

    def add(self, batch: Batch) -> int:
        """How many videos of the batch are new."""
        before, failures = len(self.views), iter(batch.failures)
        for video, valid in zip(batch.video_indices.tolist(), batch.valid[:, 0].tolist(), strict=True):
            if video < 0:  # it only fills the batch
                continue
            self.views[video] += batch.view_indices.shape[1]
            if valid:
                self.readable.add(video)
            else:
                self.failures[video] = next(failures)
        return len(self.views) - before

    def of_all_ranks(self, fabric: Fabric) -> Arrived:
        """Those of all processes together; all of them call it."""
        if fabric.world_size == 1:
            return self
        parts: list[Any] = [None] * fabric.world_size
        dist.all_gather_object(parts, self)
        together = Arrived()
        for part in parts:
            together.views.update(part.views)
            together.failures.update(part.failures)
            together.readable |= part.readable
        return together
