"""Export a checkpoint to ONNX, torch.export or safetensors, checked, with a script that runs it."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gcvideo.commands._arguments import CommandParser
from gcvideo.errors import InputError, plain

if TYPE_CHECKING:
    from gcvideo.exporting.export import Dynamic, Exported

_FORMATS = {
    "onnx": "a graph for onnxruntime, TensorRT, OpenVINO and others (.onnx)",
    "torch-export": "a graph for torch alone, without gcvideo (.pt2)",
    "safetensors": "the weights with their metadata, for --model.pretrained and other programs",
}
_EXAMPLES = """examples:
  gcvideo export --ckpt_path runs/demo/best.ckpt --format onnx
  python runs/demo/run_best_onnx.py VIDEO.mp4               without gcvideo and torch
  gcvideo export --ckpt_path best.ckpt --format torch-export --out MODELS
  gcvideo export --ckpt_path best.ckpt --format onnx --dynamic none --out model.onnx
  gcvideo export --ckpt_path best.ckpt --format safetensors
  gcvideo fit --config folder --data.root MY_VIDEOS --model.pretrained best.safetensors

The input of a graph is clips, uint8 (N, 3, T, H, W), RGB, 0 to 255; the normalisation is inside. The output is
probabilities, float32 (N, classes); the softmax is inside. Which sizes may vary, and from
which size on, is printed, and stands in the JSON file that is written beside it, with the classes and the way from a
video to clips. A file that differs from the network by more than 1e-4 in a probability is not kept. The packages come
with: pip install 'gcvideo[export]'"""


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo export``."""
    options = parser().parse_args(arguments)
    if options.format not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise InputError(f"--format is {options.format!r}; expected one of {known}", exit_code=2)
    if options.format == "safetensors" and options.dynamic is not None:
        raise InputError("--dynamic says nothing for safetensors, which holds weights; leave it out", exit_code=2)
    from gcvideo.predicting.saved_model import load_model

    saved = load_model(Path(options.ckpt_path))
    if options.format == "safetensors":
        from gcvideo.exporting.weights_file import export_weights

        path = export_weights(saved, options.out, force=options.force)
        print(
            plain(f"{path}: {len(saved.network.state_dict())} tensors; start from it with: --model.pretrained {path}")
        )
        return 0
    from gcvideo.exporting.export import export_model

    dynamic: Dynamic = options.dynamic or "all"
    _report(export_model(saved, options.format, options.out, dynamic, force=options.force))
    return 0


def parser() -> CommandParser:
    """The options of the command."""
    formats = "\n".join(f"  {name:<14}{text}" for name, text in _FORMATS.items())
    result = CommandParser(
        prog="gcvideo export",
        description="Writes the network of a checkpoint as a file that runs without gcvideo, compares it with the\n"
        "network, and writes beside it how videos come before it, and a short script that does so.",
        epilog=f"formats:\n{formats}\n\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--ckpt_path", required=True, metavar="CKPT", help="what a run left, such as best.ckpt")
    result.add_argument("--format", required=True, help=" | ".join(_FORMATS))
    result.add_argument("--out", metavar="FILE_OR_FOLDER", help="where to (default: beside the checkpoint)")
    result.add_argument(
        "--dynamic",
        choices=("all", "batch", "none"),
        help="sizes that stay open: all that can (batch, frames, height, width), the batch alone, none (default: all)",
    )
    result.add_argument("--force", action="store_true", help="overwrite what is there")
    return result


def _report(exported: Exported) -> None:
    named = [f"{name} from {exported.least[name]}" if name in exported.least else name for name in exported.dynamic]
    sizes = ", ".join(named) or "none"
    fixed = [name for name in ("batch", "frames", "height", "width") if name not in exported.dynamic]
    print(plain(f"{exported.path}: clips uint8 (N, 3, T, H, W) to probabilities"))
    print(f"  sizes that may vary: {sizes}" + (f"; fixed: {', '.join(fixed)}" if fixed and exported.dynamic else ""))
    for check in exported.checks:
        shape = " x ".join(map(str, check.shape))
        print(f"  as the network on clips of {shape}: largest difference of a probability {check.difference:.1e}")
    if exported.bf16 is not None:
        print(f"  float32, and the network was trained in bfloat16, which differs by up to {exported.bf16:.1e} there")
    print(plain(f"  how videos come before it: {exported.beside[0]}"))
    print(plain(f"next:\n  python {shlex.quote(str(exported.beside[1]))} VIDEO"))
