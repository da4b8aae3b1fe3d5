"""What is exported: pixels in, probabilities out, as a graph of torch whose sizes stay open where they can."""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from gcvideo.models.network import Network
from gcvideo.predicting.saved_model import SavedModel

AXES = {0: "batch", 2: "frames", 3: "height", 4: "width"}  # of clips (N, 3, T, H, W); the colours are three


class PixelsToProbabilities(nn.Module):
    """A network with its normalisation before it and a softmax behind it; a copy, float32, in evaluation mode.

    Shape:
        input: (N, 3, T, H, W), uint8 0-255, RGB; output: (N, K), float32, each row sums to 1.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = deepcopy(network).float().to(memory_format=torch.contiguous_format)
        self.eval().requires_grad_(False)

    def forward(self, clips: Tensor) -> Tensor:
        """The probabilities of the classes."""
        logits: Tensor = self.network(clips)
        return logits.float().softmax(dim=1)


@dataclass(frozen=True)
class Traced:
    """A graph that runs without gcvideo.

    Attributes:
        program: it, with the weights.
        dynamic: names of the axes of a clip whose size is open.
    """

    program: ExportedProgram
    dynamic: tuple[str, ...]


def trace(model: PixelsToProbabilities, shape: tuple[int, ...], open_axes: tuple[str, ...]) -> Traced:
    """Reads the operations off a run on clips of one shape.

    Args:
        model: to be exported.
        shape: (N, 3, T, H, W) of those clips; an axis of size 1 cannot stay open.
        open_axes: names of the axes that shall stay open; one that the operations bind to its size does not.

    Raises:
        RuntimeError: or another error of torch, if it cannot be read so.
    """
    clips = torch.zeros(shape, dtype=torch.uint8)
    sizes = {axis: Dim.AUTO if name in open_axes else Dim.STATIC for axis, name in AXES.items()}
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        program = torch.export.export(model, (clips,), dynamic_shapes=(sizes,))
    return Traced(program, tuple(name for axis, name in AXES.items() if _is_open(program, axis)))


def clip_shape(program: ExportedProgram) -> torch.Size:
    """Of the input, with torch's symbols for the sizes that are open."""
    name = program.graph_signature.user_inputs[0]
    (value,) = (node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name == name)
    shape: torch.Size = value.shape
    return shape


def example_shape(saved: SavedModel) -> tuple[int, ...]:
    """Of the clips that are traced: two, as validation cuts them."""
    side = saved.preprocessing.val_views.crop_px
    return 2, 3, saved.preprocessing.num_frames, side, side


def _is_open(program: ExportedProgram, axis: int) -> bool:
    return isinstance(clip_shape(program)[axis], torch.SymInt)
