"""What the optimizer is given: which parameters decay, and what share of the learning rate each stage learns with."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer

from gcvideo.errors import InputError
from gcvideo.models.blocks.non_local import NonLocal
from gcvideo.models.network import Network
from gcvideo.training.run_length import RunLength

NoDecay = Literal["norms", "biases", "nonlocal_norms"]


@dataclass(frozen=True)
class StageRates:
    """Learning rates that differ along the network, as in fine-tuning.

    Attributes:
        decay: what the rate is multiplied by from each stage to the one before it (head, res5, ..., res2, stem), so
            that the early ones move less; 1 is one rate for all (ULMFiT, https://arxiv.org/abs/1801.06146).
        head: what the head's rate is multiplied by; 10 is usual for a new head on pretrained stages.

    Raises:
        ValueError: if one is not above 0, or ``decay`` above 1.
    """

    decay: float = 1.0
    head: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.decay <= 1:
            raise ValueError(f"stage_rates.decay is {self.decay}; expected above 0 to 1 (0.75 is usual)")
        if not self.head > 0:
            raise ValueError(f"stage_rates.head is {self.head}; expected above 0 (10 is usual)")

    def of(self, network: Network) -> dict[str, float]:
        """The share of each stage, stem to head, of the learning rate."""
        names = list(network.stages())
        shares = {name: self.decay ** (len(names) - 1 - number) for number, name in enumerate(names)}
        return {**shares, "head": self.head}


def parameter_groups(
    network: Network, *, no_decay: Collection[NoDecay] = ("norms", "biases"), rates: StageRates | None = None
) -> list[dict[str, Any]]:
    """All parameters that are trained, in groups with the same weight decay and share of the rate.

    Args:
        network: its stages are told apart.
        no_decay: what weight decay does not touch: ``norms`` (weights and biases of every norm), ``biases`` (and what
            else has one dimension, norms left aside), ``nonlocal_norms`` (the norms of non-local blocks alone).
        rates: along the stages; one rate for all without it.

    Returns:
        Groups for an optimizer; ``rate_share`` is multiplied in by ``scale_rates``.
    """
    kinds = _kinds(network)
    shares = (rates or StageRates()).of(network)
    stages = {path: name for name, paths in network.stages().items() for path in paths}
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            share = shares[stages[".".join(name.split(".")[:2])]]
            decays = not kinds[name] & set(no_decay)
            groups.setdefault((share, decays), []).append(parameter)
    return [
        {"params": parameters, "rate_share": share, **({} if decays else {"weight_decay": 0.0})}
        for (share, decays), parameters in groups.items()
    ]


def scale_rates(optimizer: Optimizer, base_batch: int | None, length: RunLength) -> str:
    """Multiplies the rate of each group by its share, and all by the real size of a step over ``base_batch``.

    Returns:
        A line that says what was done, empty where the rate stays as it is.

    Raises:
        InputError: if the rate is zero: nothing would be learned.
    """
    rate = float(optimizer.defaults["lr"])
    if rate <= 0:
        raise InputError(
            f"the learning rate is {rate:g}, so nothing would be learned; set --model.optimizer.lr above 0", exit_code=2
        )
    scale = length.clips_per_step / base_batch if base_batch else 1.0
    for group in optimizer.param_groups:
        group["lr"] *= group["rate_share"] * scale
    if scale == 1:
        return ""
    said = f"learning rate {rate:g} is meant for {base_batch} clips a step; here {length}, so it is {rate * scale:g}"
    left = " (--model.base_batch=null leaves it)"
    if length.total_steps != length.max_steps:
        return said + left
    steps = f"where max_steps {length.max_steps} was meant for such steps, as many clips come with"
    return f"{said}{left}; {steps} --trainer.max_steps={round(length.max_steps / scale)}"


def check_groups(no_decay: Collection[str], base_batch: int | None) -> None:
    """Refuses what is no kind of parameter, and a batch of nothing.

    Raises:
        ValueError: naming the value and what was expected.
    """
    if base_batch is not None and base_batch < 1:
        raise ValueError(f"base_batch is {base_batch}; expected at least 1 clip, or null to leave the rate as it is")
    unknown = [kind for kind in no_decay if kind not in get_args(NoDecay)]
    if unknown:
        raise ValueError(f"no_decay names {unknown[0]!r}; expected some of {', '.join(get_args(NoDecay))}")


def _kinds(network: nn.Module) -> dict[str, set[str]]:
    """Of each parameter, by its name: which of the kinds it is."""
    kinds: dict[str, set[str]] = {}
    in_nonlocal = [path for path, module in network.named_modules() if isinstance(module, NonLocal)]
    for path, module in network.named_modules():
        is_norm = isinstance(module, _NormBase | nn.LayerNorm | nn.GroupNorm)
        of_nonlocal = any(path.startswith(f"{owner}.") for owner in in_nonlocal)
        for name, parameter in module.named_parameters(prefix=path, recurse=False):
            if is_norm:
                kinds[name] = {"norms", *(["nonlocal_norms"] if of_nonlocal else [])}
            else:
                kinds[name] = {"biases"} if parameter.ndim <= 1 else set()
    return kinds
