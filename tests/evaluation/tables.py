"""Tables of predictions to compare and to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gcvideo.evaluation.predictions import Predictions

ORIGIN = {"split": "val", "views": "1 x 1", "checkpoint": "best.ckpt", "step": 6, "epoch": 2, "gcvideo": "0.1.0"}


def answers(labels: Sequence[int], predicted: Sequence[int], num_classes: int) -> NDArray[np.float32]:
    """Probabilities (M, K) whose largest is at the predicted class; -1 is a video that could not be read."""
    draw = np.random.default_rng(0)
    scores = draw.random((len(labels), num_classes)).astype(np.float32)
    scores[np.arange(len(labels)), np.maximum(predicted, 0)] += 1
    scores /= scores.sum(axis=1, keepdims=True)
    scores[np.asarray(predicted) < 0] = np.nan
    return scores


def table(labels: Sequence[int], predicted: Sequence[int], num_classes: int = 3, **values: Any) -> Predictions:
    """A table with these labels and answers."""
    classes = values.pop("classes", tuple(f"class {number}" for number in range(num_classes)))
    videos = tuple(f"/data/v{number}.mp4" for number in range(len(labels)))
    plain: dict[str, Any] = {
        "videos": videos,
        "starts": np.zeros(len(labels)),
        "ends": np.full(len(labels), 1.5),
        "groups": videos,
        "probabilities": answers(labels, predicted, len(classes)),
        "failures": tuple("it is damaged" if guess < 0 else "" for guess in predicted),
        "views": np.array([int(guess >= 0) for guess in predicted], dtype=np.int64),
        "origin": ORIGIN,
    }
    return Predictions(classes=classes, labels=np.array(labels, dtype=np.int64), **plain | values)
