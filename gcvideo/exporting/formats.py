"""The files that a traced network is written to, and how each is opened again."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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
        bound: makes a file that is written refuse what is smaller than the sizes of these axes; None where it does so
            by itself: torch notes what a trace took for granted, and asserts it when the program is called.
    """

    name: str
    suffix: str
    packages: tuple[str, ...]
    write: Callable[[Traced, Path], None]
    opened: Callable[[Path], Run]
    bound: Callable[[Path, Mapping[str, int]], None] | None

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


def _bound_onnx(path: Path, least: Mapping[str, int]) -> None:
    """Adds a nought to the probabilities that is looked up at a place which is not there where a size is too small.

    ONNX has no assertions. onnxruntime on a processor raises, with the name of the lookup (``height_from_193``); other
    runtimes may not, so the sizes stand beside the file, too.
    """
    import onnx

    model = onnx.load_model(path)
    output = f"{OUTPUT}_of_any_size"
    for node in model.graph.node:
        node.output[:] = [output if name == OUTPUT else name for name in node.output]
    needed = [(axis, name, least[name]) for axis, name in AXES.items() if least.get(name, 1) > 1]
    for index, (axis, name, size) in enumerate(needed):
        after = OUTPUT if index == len(needed) - 1 else f"{output}_{name}"
        model.graph.node.extend(_guard(axis, f"{name}_from_{size}", size, output, after))
        output = after
    path.write_bytes(model.SerializeToString())


def _guard(axis: int, name: str, least: int, before: str, after: str) -> list[Any]:
    """Nodes that give ``before`` as ``after``, and fail where the axis of the clips is smaller than ``least``."""
    from onnx import helper

    constants = {"axis": axis, "least": least, "none": 0, "twice": 2}
    made = [helper.make_node("Constant", [], [f"{name}_{key}"], value_int=value) for key, value in constants.items()]
    steps = (  # an index of 0, or -2 and less, into one nought
        ("Shape", [INPUT], "sizes"),
        ("Gather", [f"{name}_sizes", f"{name}_axis"], "size"),
        ("Sub", [f"{name}_size", f"{name}_least"], "more"),
        ("Min", [f"{name}_more", f"{name}_none"], "missing"),
        ("Mul", [f"{name}_missing", f"{name}_twice"], "index"),
        ("Gather", [f"{name}_nought", f"{name}_index"], "found"),
    )
    made.append(helper.make_node("Constant", [], [f"{name}_nought"], value_floats=[0.0]))
    made += [helper.make_node(kind, inputs, [f"{name}_{key}"], f"{name}_{key}") for kind, inputs, key in steps]
    made[-1].name = name  # what the error says
    return [*made, helper.make_node("Add", [before, f"{name}_found"], [after], f"{name}_add")]


def _open_onnx(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it refuses, it raises
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])

    def run(clips: Tensor) -> Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: clips.numpy()})[0])

    return run


def _write_torch_export(traced: Traced, path: Path) -> None:
    content = io.BytesIO()  # torch ends the process where its own writer finds the disk full
    with _quiet():
        torch.export.save(traced.program, content)
    path.write_bytes(content.getbuffer())


def _open_torch_export(path: Path) -> Run:
    with _quiet():
        module = torch.export.load(io.BytesIO(path.read_bytes())).module()

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


ONNX = FileFormat("onnx", ".onnx", ("onnx", "onnxscript", "onnxruntime"), _write_onnx, _open_onnx, _bound_onnx)
TORCH_EXPORT = FileFormat("torch-export", ".pt2", (), _write_torch_export, _open_torch_export, None)
GRAPHS = {each.name: each for each in (ONNX, TORCH_EXPORT)}
