"""The recipes of mmaction2: its configs read, and its schedulers, samplers and optimizers made, by mmengine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
import yaml

from tests.training.recipes.recipe import VIDEOS, Probe, Recipe, chosen_steps, digests, take_out

REPOSITORY = "open-mmlab/mmaction2"
COMMIT = "4d6c93474730cad2f25e51109adcf96824efc7a3"  # 1.2.0
HOW = "configs read by mmengine.Config; rates of the schedulers that mmengine builds of them, moved by its own hook"
RELATIVE = 1e-9
_DEVICES = 8  # of all configs here, as their names say (8xb16)


class Mmaction2:
    """The configs of a commit.

    Args:
        git: a clone.
        folder: where the configs are written to.
    """

    def __init__(self, git: Path, folder: Path) -> None:
        self.root = take_out(git, COMMIT, folder, "configs")

    def about(self) -> dict[str, Any]:
        """Where the recipes come from."""
        scheduler = import_module("mmengine.optim.scheduler.param_scheduler")
        file = Path(str(scheduler.__file__))
        return {
            "libraries": {"mmengine": import_module("mmengine").__version__, "torch": str(torch.__version__)},
            "code": {f"mmengine/{name}": value for name, value in digests(file.parents[2], _below(file)).items()},
        }

    def files(self, file: str) -> dict[str, str]:
        """The digests of a config and of those that it inherits from."""
        found, root, path = digests(self.root, file), self.root.resolve(), (self.root / file).resolve()
        for base in import_module("mmengine.config").Config._get_base_files(str(path)):
            found |= self.files(str((path.parent / base).resolve().relative_to(root)))
        return found

    def of_config(self, file: str) -> dict[str, Any]:
        """What stands in one config alone; ``said_epochs`` is what the model's row in ``metafile.yml`` says."""
        config = self._read(file)
        table = yaml.safe_load((self.root / file).parent.joinpath("metafile.yml").read_text())
        (row,) = [model for model in table["Models"] if model["Name"] == Path(file).stem]
        return {
            "dropout": config.model.cls_head.dropout_ratio,
            "said_epochs": row["Metadata"]["Epochs"],
        }

    def recipe(self, file: str) -> Recipe:
        """The training of a config."""
        config = self._read(file)
        probe = Probe()
        wrapper = import_module("mmengine.optim").build_optim_wrapper(probe, config.optim_wrapper)
        decay, sgd = probe.decay(wrapper.optimizer), wrapper.defaults
        per_epoch, epochs = _steps_per_epoch(config.train_dataloader), config.train_cfg.max_epochs
        assert wrapper.clip_grad_kwargs["norm_type"] == 2
        assert "PreciseBN" not in config.pretty_text
        rates = _rates(wrapper, config.param_scheduler, epochs, per_epoch)
        ends = {scheduler.get("end", epochs) for scheduler in config.param_scheduler}
        bends = [epoch * per_epoch for epoch in {1, 2, *ends, *_drops(rates[::per_epoch])}]
        return Recipe(
            devices=_DEVICES,
            batch=_DEVICES * config.train_dataloader.batch_size,
            steps_per_epoch=per_epoch,
            epochs=epochs,
            steps=epochs * per_epoch,
            lr=config.optim_wrapper.optimizer.lr,
            momentum=sgd["momentum"],
            nesterov=sgd["nesterov"],
            clip=wrapper.clip_grad_kwargs["max_norm"],
            precise_bn=0,
            decay=decay,
            rates={step: rates[step] for step in chosen_steps(epochs * per_epoch, bends)},
        )

    def _read(self, file: str) -> Any:
        return import_module("mmengine.config").Config.fromfile(str(self.root / file))


def _below(file: Path) -> str:
    return str(file.relative_to(file.parents[2]))


def _steps_per_epoch(loader: Mapping[str, Any]) -> int:
    """As mmengine's runner builds the loader, on the first of eight ranks."""
    videos = range(VIDEOS)
    wanted = {**loader, "dataset": videos, "num_workers": 0, "persistent_workers": False}
    with mock.patch("mmengine.dataset.sampler.get_dist_info", return_value=(0, _DEVICES)):
        return len(import_module("mmengine.runner").Runner.build_dataloader(wanted, seed=0))


def _rates(wrapper: Any, configs: Sequence[Mapping[str, Any]], epochs: int, per_epoch: int) -> list[float]:
    schedulers = [_build(wrapper, config, per_epoch) for config in configs]
    hook, runner = import_module("mmengine.hooks").ParamSchedulerHook(), SimpleNamespace(param_schedulers=schedulers)
    wrapper.optimizer.step()  # the schedulers warn where they are moved before the optimizer was
    rates = []
    for _ in range(epochs):
        for step in range(per_epoch):
            rates.append(wrapper.param_groups[0]["lr"])
            hook.after_train_iter(runner, step)
        hook.after_train_epoch(runner)
    return rates


def _build(wrapper: Any, config: Mapping[str, Any], per_epoch: int) -> Any:
    """By epoch as it stands, by step where the config asks for that."""
    wanted = dict(config)
    registry = import_module("mmengine.registry").PARAM_SCHEDULERS
    if wanted.pop("convert_to_iter_based", False):
        kind = registry.get(wanted.pop("type"))
        return kind.build_iter_from_epoch(optimizer=wrapper, **wanted, epoch_length=per_epoch)
    return registry.build({**wanted, "optimizer": wrapper})


def _drops(rates: Sequence[float]) -> list[int]:
    """The epochs, of whose first steps these are the rates, in which the rate falls to less than half."""
    return [epoch for epoch in range(1, len(rates)) if rates[epoch] < rates[epoch - 1] / 2]
