"""How much the clips of each class count in the loss."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from lightning import Trainer
from torch import Tensor

from gcvideo.errors import InputError

ClassWeights = Literal["none", "inverse", "sqrt_inverse"] | list[float] | None

log = logging.getLogger(__name__)

_EXPONENTS = {"inverse": 1.0, "sqrt_inverse": 0.5}


def check_class_weights(wanted: ClassWeights, num_classes: int) -> None:
    """Refuses weights that no loss can be made with.

    Raises:
        ValueError: if it is another word, or the list has not a weight for each class, a negative one, or zeros alone.
    """
    if wanted is None or wanted == "none" or wanted in list(_EXPONENTS):
        return
    expected = f"none, {', '.join(_EXPONENTS)} or a list of {num_classes} weights, one a class"
    if isinstance(wanted, str):
        raise ValueError(f"class_weights is {wanted!r}; expected {expected}")
    if len(wanted) != num_classes:
        raise ValueError(f"class_weights has {len(wanted)} weights for {num_classes} classes; expected {expected}")
    wrong = [label for label, weight in enumerate(wanted) if not (weight >= 0 and math.isfinite(weight))]
    if wrong:
        raise ValueError(
            f"class_weights has {wanted[wrong[0]]:g} for class {wrong[0]} of {num_classes} (counted from 0); "
            "expected 0 or more"
        )
    if not any(wanted):
        raise ValueError(f"class_weights is 0 for all {num_classes} classes; expected at least one above 0")


def class_weights(wanted: ClassWeights, counts: Sequence[int], draws: Sequence[float]) -> Tensor | None:
    """The weight of each class.

    Args:
        wanted: ``inverse``: 1 / count; ``sqrt_inverse``: 1 / sqrt(count); or the weights themselves.
        counts: (K,), training videos of each class. One without any has the weight 0 in the first two: no clip asks
            for it.
        draws: (K,), clips of each class in an epoch; the counts, where the sampler does not balance.

    Returns:
        float32 (K,), scaled so that the mean over the clips of an epoch is 1, which leaves the meaning of the learning
        rate as it is; None where all count the same.

    Raises:
        InputError: if no class with videos has a weight above 0.
    """
    if wanted is None or wanted == "none":
        return None
    number, drawn = (torch.as_tensor(values, dtype=torch.float64) for values in (counts, draws))
    if isinstance(wanted, str):
        weights = torch.where(number > 0, number.clamp(min=1) ** -_EXPONENTS[wanted], 0.0)
    else:
        weights = torch.tensor(wanted, dtype=torch.float64)
    mean = (weights * drawn).sum() / drawn.sum()
    if not mean > 0:
        raise InputError(
            f"model.class_weights is 0 for all of the {int((number > 0).sum())} classes (of {len(number)}) that have "
            "training videos, so nothing would be learned; set one of theirs above 0"
        )
    return (weights / mean).float()


def weights_of_run(wanted: ClassWeights, trainer: Trainer) -> Tensor | None:
    """The weights for the training videos of a trainer whose data module is set up, on its device; says them."""
    if wanted is None or wanted == "none":
        return None
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    weights = class_weights(wanted, data.class_counts, data.class_draws)
    if weights is not None and trainer.is_global_zero:
        used = weights[torch.as_tensor(data.class_counts) > 0]
        log.info(f"by its class, a clip counts {float(used.min()):.3g} to {float(used.max()):.3g} times in the loss")
        if note := double_correction(wanted, data.balance):
            log.warning(note)
    return None if weights is None else weights.to(trainer.strategy.root_device)


def double_correction(wanted: ClassWeights, balance: float) -> str:
    """A line where sampler and weights together make rare classes count more than common ones; else empty."""
    exponent = _EXPONENTS.get(wanted, 0.0) if isinstance(wanted, str) else 0.0
    if not exponent or balance + exponent <= 1:
        return ""
    return (
        f"--data.balance={balance:g} and --model.class_weights={wanted} both make up for classes with few videos, and "
        "together for more than all: a class with fewer videos now counts more; one of the two is enough"
    )


def weigh_targets(targets: Tensor, weights: Tensor | None, label_smoothing: float) -> Tensor:
    """Soft targets whose cross-entropy counts as much as their true classes do.

    Each true class of a clip (mixup and cutmix give it two) brings its share of the target times its weight. What
    label smoothing spreads over all classes has the weight of the true class, so for one clip alone the best answer of
    the network is the same with and without weights.

    Args:
        targets: float (N, K), rows sum to 1, smoothed by ``label_smoothing``.
        weights: float (K,); None leaves the targets as they are.
        label_smoothing: share of the targets that was spread over all classes, 0 to below 1.

    Returns:
        float (N, K); a row sums to the weight of its clip: the mean of its true classes' weights by their shares.
    """
    if weights is None:
        return targets
    spread = label_smoothing / targets.shape[1]
    own = (targets - spread) * weights
    return own + own.sum(dim=1, keepdim=True) * spread / (1 - label_smoothing)
