"""Who may import whom; the picture is in docs/ARCHITECTURE.md."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gcvideo
from gcvideo.predictor import load

PACKAGE = Path(__file__).parents[1] / "gcvideo"

# A room may import these (and itself, and errors); the longest name that fits counts.
MAY_IMPORT = {
    "errors": set[str](),
    "output": set[str](),
    "safe_load": set[str](),
    "records": set[str](),
    "data": {"records"},
    "models.block": set[str](),
    "models.blocks": {"models.block"},
    "models.sites": {"models.block"},
    "models.norms": set[str](),
    "models.recompute": set[str](),
    "models.short_clips": set[str](),
    "models.backbones": {"models.norms", "models.recompute", "models.short_clips", "models.sites"},
    "models.head": set[str](),
    "models.network": {"models.backbones", "models.head", "models.sites"},
    "models.counting": {"models.network", "models.recompute"},
    "models.weights": {"models.network", "safe_load"},
    "training": {"models", "evaluation", "records"},
    "evaluation": {"records"},
    "tracking": {"records", "safe_load"},
    "predicting": {"data", "evaluation", "models", "records", "safe_load"},
    "predictor": {"data", "models", "predicting", "records"},
    "exporting": {"models", "predicting"},
    "cli": set[str](),
    "commands": {
        *("data", "evaluation", "exporting", "models", "predicting", "predictor"),
        *("records", "safe_load", "tracking", "training"),
    },
}


def _room(module: str) -> str:
    names = [name for name in MAY_IMPORT if module == name or module.startswith(f"{name}.")]
    return max(names, key=len, default=module)


def _imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            whole = node.module == "gcvideo"
            found += [f"gcvideo.{alias.name}" for alias in node.names] if whole else [str(node.module)]
    names = [name.removeprefix("gcvideo.") for name in found if name.startswith("gcvideo.")]
    return [name for name in names if name != "__version__"]


def _files() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py")]


def test_rooms_import_downwards_only() -> None:
    wrong = []
    for path in _files():
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        room = _room(module)
        allowed = MAY_IMPORT[room] | {room, "errors"}
        for name in _imports(path):
            if not any(name == part or name.startswith(f"{part}.") for part in allowed):
                wrong.append(f"{module} imports {name}")
    assert wrong == []


def test_every_file_stands_in_a_known_room() -> None:
    modules = [".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in _files()]
    assert [module for module in modules if _room(module) not in MAY_IMPORT] == []
    assert len(modules) > 30


def test_init_files_hold_no_code_but_the_version_and_load() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        statements = [node for node in body if not isinstance(node, ast.Expr)]
        kinds = [(type(node), getattr(node, "name", "")) for node in statements]
        for_types = [(ast.ImportFrom, ""), (ast.If, "")]
        at_the_top = [*for_types, (ast.Assign, ""), (ast.FunctionDef, "__getattr__")]
        assert kinds == (at_the_top if path.parent == PACKAGE else []), path


def test_version_and_help_import_no_torch() -> None:
    code = (
        "import sys, gcvideo.cli as cli; cli.run(['--version']); cli.run(['--help']); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


def test_package_has_load_and_no_other_name_by_itself() -> None:
    assert gcvideo.load is load
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = gcvideo.lode


def test_class_names_are_unique() -> None:
    names: dict[str, Path] = {}
    for path in _files():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                assert node.name not in names, f"{node.name} in {path} and {names.get(node.name)}"
                names[node.name] = path
