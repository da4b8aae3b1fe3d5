"""Writes recipes.yaml, what the sources' own code makes of the configs that ours follow, and the tables of the page.

    python -m tests.training.recipes.write --mmaction2 CLONE --pyslowfast CLONE --video_nonlocal_net CLONE

from the top of this repository; a clone may be bare, and must have the commit that the module of its source names.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from tests.training.recipes import mmaction2, pyslowfast, video_nonlocal_net
from tests.training.recipes.recipe import VIDEOS
from tests.training.recipes.table import write_tables

LITERALS = Path(__file__).with_name("recipes.yaml")

_SLOWONLY, _C2D, _I3D = (f"configs/recognition/{name}/" for name in ("slowonly", "c2d", "i3d"))
_IN1K, _K400 = "configs/Kinetics/C2D_8x8_R50_IN1K.yaml", "_kinetics400-rgb.py"
_FOLLOWS_PYSLOWFAST = ("gcnet", "gc5", "gc_all", "nl5", "snl5", "se_all", "eca_all")  # slowonly_r50_8x8_...

# Our config, and the file of the source that it follows.
_FILES = {
    "mmaction2": {
        "slowonly_r50_4x16": f"{_SLOWONLY}slowonly_r50_8xb16-4x16x1-256e{_K400}",
        "slowonly_r50_8x8": f"{_SLOWONLY}slowonly_r50_8xb16-8x8x1-256e{_K400}",
        "slowonly_r101_8x8": f"{_SLOWONLY}slowonly_r101_8xb16-8x8x1-196e{_K400}",
        "slowonly_r50_4x16_imagenet": f"{_SLOWONLY}slowonly_imagenet-pretrained-r50_8xb16-4x16x1-steplr-150e{_K400}",
        "slowonly_r50_8x8_imagenet": f"{_SLOWONLY}slowonly_imagenet-pretrained-r50_8xb16-8x8x1-steplr-150e{_K400}",
        "slowonly_r50_4x16_imagenet_nl5_mmaction2": (
            f"{_SLOWONLY}slowonly_r50-in1k-pre-nl-embedded-gaussian_8xb16-4x16x1-steplr-150e{_K400}"
        ),
        "slowonly_r50_8x8_imagenet_nl5_mmaction2": (
            f"{_SLOWONLY}slowonly_r50-in1k-pre-nl-embedded-gaussian_8xb16-8x8x1-steplr-150e{_K400}"
        ),
        "c2d_r50_8x8": f"{_C2D}c2d_r50-in1k-pre_8xb32-8x8x1-100e{_K400}",
        "c2d_r50_16x4": f"{_C2D}c2d_r50-in1k-pre_8xb32-16x4x1-100e{_K400}",
        "c2d_r50_8x8_nopool": f"{_C2D}c2d_r50-in1k-pre-nopool_8xb32-8x8x1-100e{_K400}",
        "c2d_r101_8x8_nopool": f"{_C2D}c2d_r101-in1k-pre-nopool_8xb32-8x8x1-100e{_K400}",
        "i3d_r50_32x2": f"{_I3D}i3d_imagenet-pretrained-r50_8xb8-32x2x1-100e{_K400}",
        "i3d_r50_32x2_heavy": f"{_I3D}i3d_imagenet-pretrained-r50-heavy_8xb8-32x2x1-100e{_K400}",
        **{
            f"i3d_r50_32x2_nl5_{kind.replace('-', '_')}": (
                f"{_I3D}i3d_imagenet-pretrained-r50-nl-{kind}_8xb8-32x2x1-100e{_K400}"
            )
            for kind in ("dot-product", "embedded-gaussian", "gaussian")
        },
    },
    "PySlowFast": {
        "slowonly_r50_4x16_pyslowfast": "configs/Kinetics/SLOW_4x16_R50.yaml",
        "slowonly_r50_8x8_pyslowfast": "configs/Kinetics/SLOW_8x8_R50.yaml",
        "i3d_r50_8x8_pyslowfast": "configs/Kinetics/I3D_8x8_R50.yaml",
        "i3d_r50_8x8_nl5_pyslowfast": "configs/Kinetics/I3D_NLN_8x8_R50.yaml",
        "c2d_r50_8x8_pyslowfast": "configs/Kinetics/C2D_8x8_R50.yaml",
        "c2d_r50_8x8_nopool_pyslowfast": "configs/Kinetics/c2/C2D_NOPOOL_8x8_R50.yaml",
        **{f"slowonly_r50_8x8_{name}": _IN1K for name in _FOLLOWS_PYSLOWFAST},
    },
    "video-nonlocal-net": {
        "c2d_r50_8x8_nonlocal_paper": "scripts/run_c2d_baseline_400k.sh",
        "c2d_r50_8x8_nl5": "scripts/run_c2d_nlnet_400k.sh",
        "i3d_r50_8x8_nonlocal_paper": "scripts/run_i3d_baseline_400k.sh",
        "i3d_r50_8x8_nl5": "scripts/run_i3d_nlnet_400k.sh",
        "c2d_r50_32x2_nonlocal_paper": "scripts/run_c2d_baseline_400k_32f.sh",
        "i3d_r50_32x2_nonlocal_paper": "scripts/run_i3d_baseline_400k_32f.sh",
        "i3d_r50_32x2_nl5": "scripts/run_i3d_nlnet_400k_32f.sh",
        # Of the paper's other networks the repository has no script; README.md says how to change these.
        **{
            f"c2d_{name}": "scripts/run_c2d_nlnet_400k_32f.sh"
            for name in (
                "r50_32x2_nl5",
                "r50_32x2_nl10",
                "r50_32x2_nl5_space",
                "r50_32x2_nl5_time",
                *(f"r50_32x2_nl1_{kind}" for kind in ("gaussian", "embedded_gaussian", "dot_product", "concatenation")),
                *(f"r50_32x2_nl1_{stage}" for stage in ("res2", "res3", "res5")),
                "r101_32x2_nl1",
                "r101_32x2_nl5",
            )
        },
        "c2d_r101_32x2_nonlocal_paper": "scripts/run_c2d_baseline_400k_32f.sh",
        "i3d_r101_32x2_nonlocal_paper": "scripts/run_i3d_baseline_400k_32f.sh",
        "i3d_r101_3x3x3_32x2_nonlocal_paper": "scripts/run_i3d_baseline_400k_32f.sh",
        "i3d_r101_32x2_nl5": "scripts/run_i3d_nlnet_400k_32f.sh",
    },
}
_HEAD = "# Written by tests/training/recipes/write.py, whose first lines say how; not by hand.\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads three clones, writes one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in _FILES:
        parser.add_argument(f"--{name.lower().replace('-', '_')}", type=Path, required=True, help="a clone")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        sources = {
            "mmaction2": (mmaction2, mmaction2.Mmaction2(options.mmaction2, Path(folder, "mmaction2"))),
            "PySlowFast": (pyslowfast, pyslowfast.PySlowFast(options.pyslowfast, Path(folder, "pyslowfast"))),
            "video-nonlocal-net": (
                video_nonlocal_net,
                video_nonlocal_net.VideoNonlocalNet(options.video_nonlocal_net, Path(folder, "video-nonlocal-net")),
            ),
        }
        about = {name: _about(name, module, source) for name, (module, source) in sources.items()}
        recipes = [recipe for name, (_, source) in sources.items() for recipe in _recipes(name, source)]
    text = _yaml({"videos": VIDEOS, "sources": about}, flow=False) + _yaml({"recipes": recipes}, flow=None)
    LITERALS.write_text(_HEAD + text, encoding="utf-8")
    write_tables(yaml.safe_load(text))


def _yaml(literals: Any, *, flow: bool | None) -> str:
    return yaml.safe_dump(literals, sort_keys=False, width=110, default_flow_style=flow)


def _about(name: str, module: Any, source: Any) -> dict[str, Any]:
    plain = {"repository": module.REPOSITORY, "commit": module.COMMIT, "how": module.HOW, "relative": module.RELATIVE}
    files = {path: digest for file in _FILES[name].values() for path, digest in source.files(file).items()}
    return {**plain, **source.about(), "files": dict(sorted(files.items()))}


def _recipes(name: str, source: Any) -> list[dict[str, Any]]:
    """The different recipes of a source, each with all configs that have it."""
    found: list[dict[str, Any]] = []
    for config, file in _FILES[name].items():
        recipe = asdict(source.recipe(file))
        same = next((known for known in found if {**known, **recipe} == known), None)
        if same is None:
            found.append(same := {"source": name, "configs": {}, **recipe})
        same["configs"][config] = {"file": file, **source.of_config(file)}
    return found


if __name__ == "__main__":
    main()
