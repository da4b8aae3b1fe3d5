"""The recipe of video-nonlocal-net: its rates and its weight decay by its own code, with Caffe2 replaced by a record.

Caffe2 cannot be installed any more. ``lib/utils/lr_policy.py`` does not need it; ``add_parameter_update_ops`` only
writes down operators, and here they are written down by a mock. The config is merged here, because its reader is for
Python 2.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import yaml

from tests.training.recipes.recipe import Recipe, chosen_steps, digests, take_out, without_its_init

REPOSITORY = "facebookresearch/video-nonlocal-net"
COMMIT = "c253ed5eb004fa2cae0490ed46f5018a3c3b060f"
HOW = "lr_policy.get_lr_at_iter (float32) and model_builder_video.add_parameter_update_ops, Caffe2 replaced by a record"
RELATIVE = 1e-7  # its rates are float32
_CODE = ("lib/utils/lr_policy.py", "lib/models/model_builder_video.py", "lib/core/config.py")
# What its networks call the parameters of each kind.
_BLOBS = {
    "convolution.weight": "nonlocal_conv3_1_theta_w",
    "convolution.bias": "nonlocal_conv3_1_theta_b",
    "norm.weight": "res2_0_branch2a_bn_s",
    "norm.bias": "res2_0_branch2a_bn_b",
    "linear.weight": "pred_w",
    "linear.bias": "pred_b",
}


class VideoNonlocalNet:
    """The scripts, configs and code of a commit.

    Args:
        git: a clone.
        folder: where they are written to.
    """

    def __init__(self, git: Path, folder: Path) -> None:
        self.root = take_out(git, COMMIT, folder, "configs", "lib", "scripts")
        without_its_init({room: self.root / "lib" / room for room in ("core", "utils", "models")})
        for name in ("caffe2", "caffe2.proto", "caffe2.python"):
            sys.modules[name] = mock.MagicMock()
        sys.modules["caffe2.python"].cnn.CNNModelHelper = object

    def about(self) -> dict[str, Any]:
        """Where the recipes come from."""
        return {"libraries": {"torch": str(torch.__version__)}, "code": digests(self.root, *_CODE)}

    def files(self, file: str) -> dict[str, str]:
        """The digests of a script and of the config that it names."""
        return digests(self.root, file, f"configs/{Path(_words(self.root / file)['--config_file']).name}")

    def of_config(self, file: str) -> dict[str, Any]:
        """What stands in one script alone."""
        return {"dropout": self._read(file).TRAIN.DROPOUT_RATE}

    def recipe(self, file: str) -> Recipe:
        """The training of a script."""
        cfg = self._read(file)
        decay, momentum = _update(cfg)
        rate = import_module("utils.lr_policy").get_lr_at_iter
        return Recipe(
            devices=cfg.NUM_GPUS,
            batch=cfg.TRAIN.BATCH_SIZE,
            steps_per_epoch=None,
            epochs=None,
            steps=cfg.SOLVER.MAX_ITER,
            lr=cfg.SOLVER.BASE_LR,
            momentum=momentum["momentum"],
            nesterov=momentum["nesterov"],
            clip=None,
            precise_bn=cfg.TRAIN.ITER_COMPUTE_PRECISE_BN if cfg.TRAIN.COMPUTE_PRECISE_BN else 0,
            decay=decay,
            rates={step: float(rate(step)) for step in chosen_steps(cfg.SOLVER.MAX_ITER, cfg.SOLVER.STEPS)},
        )

    def _read(self, file: str) -> Any:
        """The defaults, the config that the script names, and the keys that it sets itself."""
        words = _words(self.root / file)
        core = import_module("core.config")
        core.config.SOLVER.STEPS = None
        _merge(core.config, yaml.safe_load((self.root / "scripts" / words.pop("--config_file")).read_text()))
        for key, value in words.items():
            *path, last = key.split(".")
            _merge(core.config, {path[0]: {last: yaml.safe_load(value)}} if path else {last: yaml.safe_load(value)})
        core.assert_and_infer_cfg()
        return core.config


def _words(script: Path) -> dict[str, str]:
    """What the script gives to the training: each option with its value."""
    (line,) = [line for line in script.read_text().replace("\\\n", " ").splitlines() if "train_net_video.py" in line]
    words = shlex.split(line.partition("train_net_video.py")[2].partition("2>&1")[0])
    return dict(zip(words[::2], words[1::2], strict=True))


def _merge(into: Any, new: Mapping[str, Any]) -> None:
    for key, value in new.items():
        if key not in into:
            raise KeyError(f"{key} is no key of lib/core/config.py")
        if isinstance(value, dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _update(cfg: Any) -> tuple[dict[str, float], dict[str, Any]]:
    """Weight decay of each kind of parameter, and the options of the momentum, as the operators have them."""
    model = mock.MagicMock()
    model.GetParams.return_value = model.TrainableParams.return_value = list(_BLOBS.values())
    model.param_to_grad = {blob: f"{blob}_grad" for blob in _BLOBS.values()}
    values: dict[str, float] = {}
    model.param_init_net.ConstantFill.side_effect = lambda _, name, value, **options: (
        values.update({name: value}) or name
    )
    import_module("models.model_builder_video").add_parameter_update_ops(model)(model)
    decays = {}
    for call in model.WeightedSum.call_args_list:
        gradient, one, parameter, decay = call.args[0]
        assert (gradient, values[one]) == (f"{parameter}_grad", 1.0)
        decays[parameter] = values[decay]
    (momentum,) = {tuple(call.kwargs.items()) for call in model.net.MomentumSGDUpdate.call_args_list}
    return {kind: decays[blob] for kind, blob in _BLOBS.items()}, dict(momentum)
