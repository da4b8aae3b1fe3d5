"""What of a network a run would train: blocks, parameters, multiply-adds, weights, and what stands still."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

from torch import nn

from gcvideo.commands._tables import dimensions
from gcvideo.models.counting import Clip, count
from gcvideo.models.network import Network
from gcvideo.models.norms import FrozenBatchNorm3d
from gcvideo.training.task import ActionRecognition


def describe_network(task: ActionRecognition, clip: Clip, model: Any, ckpt_path: str | None) -> list[list[str]]:
    """Rows of a table: what, and how it is.

    Args:
        task: as ``fit`` would build it; its weights need not be loaded.
        clip: of the training.
        model: the ``model`` of the config.
        ckpt_path: the checkpoint that would be continued.
    """
    network = task.network
    counted = count(copy.deepcopy(network).to("meta"), clip)
    rows = [["backbone", _backbone(model.backbone)]]
    rows += [[f"block {name}", text] for name, text in _blocks(network).items()]
    trained = "all trained" if counted.trainable == counted.params else f"{counted.trainable:,} of them trained"
    rows.append(["parameters", f"{counted.params:,}, {trained}"])
    rows.append(["multiply-adds", f"{counted.macs / 1e9:.2f} G a training clip of {dimensions(clip)} (1)"])
    rows.append(["weights", _weights(task, ckpt_path)])
    rows.append(["frozen", _frozen(network)])
    return [*rows, *_options(task)]


def _backbone(config: Any) -> str:
    """``SlowOnly: depth 50, width 64``."""
    arguments = {name: value for name, value in vars(config.init_args).items() if value not in (None, [], ())}
    return f"{config.class_path.rpartition('.')[2]}: {', '.join(f'{name} {v}' for name, v in arguments.items())}"


def _blocks(network: Network) -> dict[str, str]:
    """Of each insertion: ``13 GlobalContext after_1x1: res3 x 4, res4 x 6, res5 x 3``."""
    stages = {path: name for name, paths in network.stages().items() for path in paths}
    found: dict[str, Counter[str]] = {}
    kinds: dict[str, str] = {}
    for path in network.block_paths:
        *_, position, name = path.split(".")
        found.setdefault(name, Counter())[stages[".".join(path.split(".")[:2])]] += 1
        kinds[name] = f"{type(network.get_submodule(path)).__name__} {position}"
    return {
        name: f"{counts.total()} {kinds[name]}: {', '.join(f'{stage} x {n}' for stage, n in counts.items())}"
        for name, counts in found.items()
    }


def _weights(task: ActionRecognition, ckpt_path: str | None) -> str:
    if ckpt_path is not None:
        return f"of the checkpoint {ckpt_path}, which is continued"
    if task.pretrained is None:
        return f"random, of the seed {task.seed}"
    if Path(task.pretrained).expanduser().is_file():
        return f"of the file {task.pretrained}"
    return f"{task.pretrained}, downloaded when the run begins unless it was before"


def _frozen(network: Network) -> str:
    """Stages whose own parameters all stand still, and the norms that do."""
    blocks = {id(p) for path in network.block_paths for p in network.get_submodule(path).parameters()}
    stages = []
    for stage, paths in network.stages().items():
        own = [p for path in paths for p in network.get_submodule(path).parameters() if id(p) not in blocks]
        if own and not any(p.requires_grad for p in own):
            stages.append(stage)
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    frozen = sum(isinstance(module, FrozenBatchNorm3d) for module in norms)
    parts = ([", ".join(stages)] if stages else []) + ([f"{frozen} of {len(norms)} norms"] if frozen else [])
    return "; ".join(parts) or "nothing"


def _options(task: ActionRecognition) -> list[list[str]]:
    """What is set of the options that change the training."""
    rows = {
        "unfrozen": ", ".join(f"{stage} from epoch {epoch + 1}" for stage, epoch in task.unfreeze_at.items()),
        "averages": f"weights, {task.ema:g} a step" if task.ema else "",
        "precise norms": f"of {task.precise_bn} global batches before each validation" if task.precise_bn else "",
        "compiled": "by torch.compile, in the first steps" if task.compiles else "",
    }
    return [[name, text] for name, text in rows.items() if text]
