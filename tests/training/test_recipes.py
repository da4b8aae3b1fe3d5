"""Every shipped recipe of others trains as its source's own code does; the literals: recipes/write.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch.cli import LightningCLI
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.optim import Optimizer

from gcvideo.commands._configs import config_names, find_config, with_found_configs
from gcvideo.commands.running.command_line import run_cli
from gcvideo.commands.running.options import import_all_parts
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.data.manifest import Manifest
from gcvideo.models.blocks.transforms import SharedConv1d
from gcvideo.training.run_length import RunLength, run_length
from tests.conftest import video_record
from tests.training.recipes.table import PAGE, tables

_ROOM = "kinetics400/"
_LITERALS: dict[str, Any] = yaml.load(
    Path(__file__).parent.joinpath("recipes", "recipes.yaml").read_text(encoding="utf-8"),
    Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),
)
RECIPES: dict[str, dict[str, Any]] = {name: recipe for recipe in _LITERALS["recipes"] for name in recipe["configs"]}
# Two files of mmaction2 inherit 256 epochs; their names and metafile.yml say 150, and so do ours.
ENDS_EARLIER = {"slowonly_r50_4x16_imagenet_nl5_mmaction2", "slowonly_r50_8x8_imagenet_nl5_mmaction2"}
_KINDS: dict[str, tuple[type[nn.Module], ...]] = {
    "convolution": (_ConvNd, SharedConv1d),
    "norm": (_NormBase, nn.LayerNorm),
    "linear": (nn.Linear,),
}

_CONFIGS = [list(recipe["configs"]) for recipe in _LITERALS["recipes"]]
_ENDS = [name for names in _CONFIGS for name in sorted({names[0], names[-1]})]
of_each_recipe = pytest.mark.parametrize("name", _ENDS)  # its first and its last config; some have blocks
of_the_others = pytest.mark.parametrize("name", [name for name in RECIPES if name not in _ENDS])


@dataclass(frozen=True)
class Run:
    """What ``gcvideo fit`` has before its first step, on as many devices as the source has, for its number of videos.

    Attributes:
        cli: model, data and trainer, built from the config.
        optimizer: of the model, with the rates it is scaled to.
        rate: of a step (0-based).
        length: of the run.
    """

    cli: LightningCLI
    optimizer: Optimizer
    rate: Callable[[int], float]
    length: RunLength


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Builds the run of a config once; the network is narrow and holds no numbers."""
    root = tmp_path_factory.mktemp("videos")
    (root / "train" / "abseiling").mkdir(parents=True)
    (root / "train" / "abseiling" / "never_opened.mp4").touch()
    import_all_parts()
    videos = (video_record("never_opened.mp4"),) * _LITERALS["videos"]

    @cache
    def build(name: str) -> Run:
        where = ["--data.root", str(root), "--data.num_workers=0", "--run_dir", str(root / "run")]
        devices = ["--trainer.accelerator=cpu", f"--trainer.devices={RECIPES[name]['devices']}"]
        small = ["--model.backbone.width=8", "--trainer.logger=false"]
        arguments, configs = with_found_configs(["--config", _ROOM + name, *where, *devices, *small])
        with torch.device("meta"):
            cli = run_cli("fit", arguments, configs, only_build=True)
        return _begun(cli, Manifest(cli.datamodule.classes, videos))

    return build


def _begun(cli: LightningCLI, manifest: Manifest) -> Run:
    with pytest.MonkeyPatch.context() as patch:  # a data set of that size is not at hand
        patch.setattr(VideoDataModule, "manifest", lambda data: manifest)
        cli.model.trainer = cli.datamodule.trainer = cli.trainer
        cli.trainer.datamodule = cli.datamodule  # type: ignore[attr-defined]
        configured, length = cli.model.configure_optimizers(), run_length(cli.trainer)
    scheduler, interval = configured["lr_scheduler"]["scheduler"], configured["lr_scheduler"]["interval"]
    assert interval == "step"
    (base,), (factor,) = set(scheduler.base_lrs), scheduler.lr_lambdas[:1]
    return Run(cli, configured["optimizer"], lambda step: base * factor(step), length)


def test_every_config_of_a_published_recipe_is_compared() -> None:
    shipped = {name.removeprefix(_ROOM) for name in config_names() if name.startswith(_ROOM)}
    assert shipped == set(RECIPES)


def test_the_page_has_the_tables_of_the_literals() -> None:
    assert tables(_LITERALS) in PAGE.read_text(encoding="utf-8")


def test_configs_of_one_recipe_have_the_same_training() -> None:
    for recipe in _LITERALS["recipes"]:
        trainings = []
        for name in recipe["configs"]:
            config = yaml.safe_load(find_config(_ROOM + name).read_text(encoding="utf-8"))
            model = {key: config["model"].get(key) for key in ("optimizer", "schedule", "no_decay", "base_batch")}
            data = {key: config["data"]["init_args"].get(key) for key in ("batch_size", "drop_last")}
            trainings.append([model, data, config["model"].get("precise_bn"), config["trainer"]])
        assert all(training == trainings[0] for training in trainings), list(recipe["configs"])


@of_each_recipe
def test_rates_are_those_of_the_source(name: str, run_of: Callable[[str], Run]) -> None:
    """Relative to the source's; near the end of a cosine, where 1 + cos cancels, to 1e-15 of the full rate."""
    run, recipe = run_of(name), RECIPES[name]
    steps = [step for step in recipe["rates"] if step < run.length.total_steps]
    assert len(steps) > 25
    relative = _LITERALS["sources"][recipe["source"]]["relative"]
    expected = {step: pytest.approx(recipe["rates"][step], rel=relative, abs=1e-15 * recipe["lr"]) for step in steps}
    assert {step: run.rate(step) for step in steps} == expected


@of_each_recipe
def test_length_and_global_batch_are_those_of_the_source(name: str, run_of: Callable[[str], Run]) -> None:
    run, recipe = run_of(name), RECIPES[name]
    assert run.length.clips_per_step == run.cli.model.base_batch == recipe["batch"]
    assert run.length.steps_per_epoch == recipe["steps_per_epoch"] or recipe["steps_per_epoch"] is None
    steps = recipe["steps"]
    if name in ENDS_EARLIER:
        epochs = recipe["configs"][name]["said_epochs"]
        assert epochs < recipe["epochs"]
        steps = epochs * recipe["steps_per_epoch"]
    assert run.length.total_steps == steps


@of_each_recipe
def test_what_decays_is_what_decays_in_the_source(name: str, run_of: Callable[[str], Run]) -> None:
    """A LayerNorm, which no network of the sources has, goes with the norms."""
    run, decay = run_of(name), RECIPES[name]["decay"]
    network = run.cli.model.network
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    expected = {
        f"{path}.{own}": decay[f"{_kind(module)}.{own}"]
        for path, module in network.named_modules()
        for own, _ in module.named_parameters(recurse=False)
    }
    found = {names[id(p)]: group["weight_decay"] for group in run.optimizer.param_groups for p in group["params"]}
    assert found == expected


@of_each_recipe
def test_optimizer_clipping_dropout_and_precise_norms_are_those_of_the_source(
    name: str, run_of: Callable[[str], Run]
) -> None:
    run, recipe = run_of(name), RECIPES[name]
    assert type(run.optimizer) is torch.optim.SGD
    for group in run.optimizer.param_groups:
        assert (group["lr"], group["initial_lr"]) == (run.rate(0), recipe["lr"])
        assert (group["momentum"], group["nesterov"]) == (recipe["momentum"], recipe["nesterov"])
        assert (group["dampening"], group["maximize"]) == (0, False)
    assert run.cli.trainer.gradient_clip_val == recipe["clip"]
    assert run.cli.trainer.gradient_clip_algorithm in (None, "norm")
    dropouts = [module.p for module in run.cli.model.network.modules() if isinstance(module, nn.Dropout)]
    assert dropouts == [recipe["configs"][name]["dropout"]]
    assert run.cli.model.precise_bn == recipe["precise_bn"]


@pytest.mark.sampled
@of_the_others
def test_the_other_configs_of_a_recipe_train_as_the_source_too(name: str, run_of: Callable[[str], Run]) -> None:
    test_rates_are_those_of_the_source(name, run_of)
    test_length_and_global_batch_are_those_of_the_source(name, run_of)
    test_what_decays_is_what_decays_in_the_source(name, run_of)
    test_optimizer_clipping_dropout_and_precise_norms_are_those_of_the_source(name, run_of)


def _kind(module: nn.Module) -> str:
    for kind, classes in _KINDS.items():
        if isinstance(module, classes):
            return kind
    raise AssertionError(f"{module} is of no kind that the literals have")
