"""Exports a checkpoint: traced, written, opened again, compared, and only then named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from gcvideo.errors import InputError
from gcvideo.exporting import sidecar
from gcvideo.exporting.checking import MOST, Check, bf16_difference, compare, compare_on, random_clips
from gcvideo.exporting.destination import appearing, check_free, destination
from gcvideo.exporting.formats import GRAPHS, FileFormat
from gcvideo.exporting.least_sizes import check_bounds, least_sizes, of_sizes
from gcvideo.exporting.program import AXES, PixelsToProbabilities, example_shape, trace
from gcvideo.exporting.script import script
from gcvideo.predicting.saved_model import SavedModel

Dynamic = Literal["all", "batch", "none"]
_ALL = tuple(AXES.values())
_OPEN: dict[Dynamic, tuple[tuple[str, ...], ...]] = {  # what is tried, in this order
    "all": (_ALL, ("batch", "frames"), ("batch", "height", "width"), ("batch",), ()),
    "batch": (("batch",), ()),
    "none": ((),),
}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: of the model.
        beside: its description and the script that runs it.
        dynamic: axes of a clip whose size is open.
        least: the smallest number of frames, height and width in pixels that was found right, of those axes.
        checks: it and the network, compared.
        bf16: by how much the probabilities in mixed bfloat16 differ from those in float32 at most; None where the
            network was not trained in it.
    """

    path: Path
    beside: tuple[Path, ...]
    dynamic: tuple[str, ...]
    least: dict[str, int]
    checks: tuple[Check, ...]
    bf16: float | None

    @property
    def difference(self) -> float:
        """The largest of a probability."""
        return max(check.difference for check in self.checks)


def export_model(
    saved: SavedModel, format_name: str, out: str | None = None, dynamic: Dynamic = "all", *, force: bool = False
) -> Exported:
    """Writes a file that gives probabilities for pixels, a description of it and a script that runs it.

    Args:
        saved: the model.
        format_name: onnx or torch-export.
        out: the file, or a folder; None is the folder of the checkpoint.
        dynamic: axes that shall stay open: all that can, the batch alone, or none.
        force: overwrite what is there.

    Raises:
        InputError: if a package is missing, the place is taken or cannot be written, or what was written gives other
            probabilities than the network (by more than 1e-4); nothing is left then.
    """
    if dynamic not in get_args(Dynamic):
        raise InputError(f"dynamic is {dynamic!r}; expected one of {', '.join(get_args(Dynamic))}", exit_code=2)
    kind = GRAPHS[format_name]
    kind.check_installed()
    path = destination(saved.path, kind.suffix, out)
    beside = path.with_name(f"{path.name}.json"), path.with_name(f"run_{path.stem}_{kind.suffix[1:]}.py")
    check_free([path, *beside], force=force)
    model, shape = PixelsToProbabilities(saved.network), example_shape(saved)
    bf16 = bf16_difference(model, shape) if saved.precision.startswith("bf16") else None
    with appearing([path, *beside]) as folder:
        open_axes, least, checks = _written(model, kind, folder / path.name, shape, dynamic)
        found = sidecar.findings(saved, checks, bf16)
        about = sidecar.description(saved, kind, checks[0].shape, open_axes, least)
        sidecar.write(folder / beside[0].name, {"model": path.name, **about, **found})
        text = script(saved, kind, path.name, beside[0].name)
        (folder / beside[1].name).write_text(text, encoding="utf-8")
    return Exported(path, beside, open_axes, least, tuple(checks), bf16)


def _written(
    model: PixelsToProbabilities, kind: FileFormat, path: Path, shape: tuple[int, ...], dynamic: Dynamic
) -> tuple[tuple[str, ...], dict[str, int], list[Check]]:
    """The open axes, their least sizes and the checks of the first attempt that is right; each leaves fewer open."""
    reason: object = ""
    for wanted in _OPEN[dynamic]:
        try:
            return _attempt(model, kind, path, shape if wanted else (1, *shape[1:]), wanted)
        except OSError:
            raise
        except Exception as error:  # torch's and the runtime's are of many kinds
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    raise InputError(f"--format {kind.name}: nothing was written, as what came out is not this network: {reason}")


def _attempt(
    model: PixelsToProbabilities, kind: FileFormat, path: Path, shape: tuple[int, ...], wanted: tuple[str, ...]
) -> tuple[tuple[str, ...], dict[str, int], list[Check]]:
    """Writes a file with these axes open, bounds it from below, and checks it."""
    traced = trace(model, shape, wanted)
    if wanted and "batch" not in traced.dynamic:
        raise RuntimeError("its operations bind the number of clips")
    kind.write(traced, path)
    run = kind.opened(path)
    checks = compare(model, run, shape, traced.dynamic)
    _check_equal(checks)
    least = least_sizes(model, run, shape, traced.dynamic)
    if kind.bound is not None and any(size > 1 for size in least.values()):
        kind.bound(path, least)
        run = kind.opened(path)
    check_bounds(model, run, shape, least)
    if least:
        checks.append(compare_on(model, run, random_clips(of_sizes((1, *shape[1:]), least))))
    _check_equal(checks)
    return traced.dynamic, least, checks


def _check_equal(checks: list[Check]) -> None:
    worst = max(checks, key=lambda check: check.difference)
    if worst.difference > MOST:
        raise RuntimeError(
            f"its probabilities differ from the network's by {worst.difference:.1g} on clips {worst.shape}"
        )
