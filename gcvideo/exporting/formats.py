"""The files that a traced network is written to, and how each is opened again."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from gcvideo.errors import InputError
from gcvideo.exporting.program import AXES, Traced, clip_shape

Run = Callable[[Tensor], Tensor]
INPUT, OUTPUT = "clips", "probabilities"


@dataclass(frozen=True)
class FileFormat:
    """A kind of file.

    Attributes:
        name: of the option.
        suffix: of the file.
        packages: what writes and checks it.
        write: makes the file.
        opened: what runs it: clips uint8 (N, 3, T, H, W) to probabilities (N, K).
    """

    name: str
    suffix: str
    packages: tuple[str, ...]
    write: Callable[[Traced, Path], None]
    opened: Callable[[Path], Run]

    def check_installed(self) -> None:
        """Raises an InputError that names the first package that is missing."""
        check_installed(self.name, self.packages)


def check_installed(name: str, packages: tuple[str, ...]) -> None:
    """Whether the packages of a format are there; none of them is imported.

    Raises:
        InputError: naming the first that is not, and how to get it.
    """
    for package in packages:
        if find_spec(package) is None:
            raise InputError(f"--format {name} needs {package}, which is not installed: pip install 'gcvideo[export]'")


def _write_onnx(traced: Traced, path: Path) -> None:
    with _quiet():
        program = torch.onnx.export(
            traced.program, dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT]
        )
    assert program is not None
    content = program.model_proto
    shape = clip_shape(traced.program)
    names = {str(shape[axis]): name for axis, name in AXES.items() if isinstance(shape[axis], torch.SymInt)}
    del content.graph.value_info[:]  # shapes within, in symbols that are renamed here; whoever reads it infers them
    for value in (*content.graph.input, *content.graph.output):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param in names:
                size.dim_param = names[size.dim_param]
    path.write_bytes(content.SerializeToString())


def _open_onnx(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it refuses, it raises
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])

    def run(clips: Tensor) -> Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: clips.numpy()})[0])

    return run


def _write_torch_export(traced: Traced, path: Path) -> None:
    with _quiet():
        torch.export.save(traced.program, path)


def _open_torch_export(path: Path) -> Run:
    with _quiet():
        module = torch.export.load(path).module()

    def run(clips: Tensor) -> Tensor:
        with torch.no_grad():
            found: Tensor = module(clips)
        return found

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters say of their own work: what comes of it is checked in numbers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


ONNX = FileFormat("onnx", ".onnx", ("onnx", "onnxscript", "onnxruntime"), _write_onnx, _open_onnx)
TORCH_EXPORT = FileFormat("torch-export", ".pt2", (), _write_torch_export, _open_torch_export)
GRAPHS = {each.name: each for each in (ONNX, TORCH_EXPORT)}
