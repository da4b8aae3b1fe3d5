"""What a user installs: the wheel, in another environment, in an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from gcvideo import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: pip leaves build/lib where it builds, and the next wheel has what was deleted since."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = shutil.copytree(ROOT, folder / "tree", ignore=_not_for_a_wheel, symlinks=True)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder), "."]
    subprocess.run(command, cwd=tree, check=True)
    (path,) = folder.glob("gcvideo-*.whl")
    return path


def _not_for_a_wheel(folder: str, names: list[str]) -> set[str]:
    """All at the top but the package and what describes it; and what Python keeps for itself."""
    needed = {"gcvideo", "pyproject.toml", "README.md", "LICENSE"}
    return {name for name in names if name == "__pycache__" or (Path(folder) == ROOT and name not in needed)}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console script in an environment that sees the packages of this one, and gcvideo from the wheel alone."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (packages / "these.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", str(wheel)]
    subprocess.run(command, check=True)
    where = subprocess.run(
        [python, "-c", "import gcvideo; print(gcvideo.__file__)"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(packages))
    return folder / "bin" / "gcvideo"


def test_wheel_holds_configs_labels_and_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "gcvideo/configs/demo.yaml",
        "gcvideo/configs/folder.yaml",
        "gcvideo/labels/ucf101.txt",
        "gcvideo/py.typed",
    ):
        assert name in names
    assert any(name.endswith("LICENSE") for name in names)
    assert not any(name.startswith(("tests", "configs")) for name in names)


def test_wheel_holds_the_modules_of_the_tree_and_no_others(wheel: Path) -> None:
    built = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith((".py", ".yaml", ".txt"))}
    suffixes = {".py", ".yaml", ".txt"}
    tree = {str(path.relative_to(ROOT)) for path in (ROOT / "gcvideo").rglob("*") if path.suffix in suffixes}
    assert {name for name in built if name.startswith("gcvideo/")} == tree
    assert {name.partition("/")[0] for name in built} - {"gcvideo"} == {f"gcvideo-{__version__}.dist-info"}


def test_installed_wheel_finds_its_configs_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    command = [str(installed), "fit", "--config", "demo", "--print_config"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "class_path: gcvideo.models.backbones.slow.SlowOnly" in printed


def test_installed_wheel_runs_the_demo(installed: Path, tmp_path: Path) -> None:
    command = [str(installed), "demo", "--num_train", "4", "--num_test", "1", "--trainer.max_epochs=1"]
    environment = {**os.environ, "WANDB_MODE": "disabled"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "test: 8 videos" in result.stdout
    assert {path.name for path in tmp_path.iterdir()} >= {"gcvideo-demo", "runs"}


@pytest.mark.long
def test_installed_wheel_runs_the_whole_demo(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "WANDB_MODE": "disabled"}
    subprocess.run([str(installed), "demo", "--run_dir", "run"], cwd=tmp_path, env=environment, check=True)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]["top1"] >= 0.95
