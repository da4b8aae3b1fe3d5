"""What the options of fit, validate and test stand for, and what is refused of them."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import gcvideo.data
import gcvideo.models.backbones
import gcvideo.models.blocks
from gcvideo.errors import InputError

TRAINER_DEFAULTS: dict[str, Any] = {
    "use_distributed_sampler": False,  # our sampler knows the ranks
    "num_sanity_val_steps": 0,
    "enable_model_summary": False,
    "log_every_n_steps": 10,
}


def import_all_parts() -> None:
    """Imports every block, backbone and data set, so that a YAML can name it shortly."""
    for package in (gcvideo.models.blocks, gcvideo.models.backbones, gcvideo.data):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def check_seed(seed: object, arguments: list[str]) -> None:
    """One number is the seed of everything."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError(f"--seed_everything is {seed}; expected a number from 0 to {2**32 - 1}", exit_code=2)
    if any(argument.startswith(("--data.seed", "--data.init_args.seed")) for argument in arguments):
        raise InputError("the data have no seed of their own: name it with --seed_everything", exit_code=2)


def check_share(name: str, value: float) -> None:
    """A part of the run."""
    if not 0 <= value < 1:
        raise InputError(f"--{name} is {value}; expected a share of the epochs, 0 to below 1", exit_code=2)
