"""Time and peak memory of every block, beside its textbook form, pytorchvideo's and mmcv's: forward and backward.

    .venv/bin/python benchmarks/blocks.py [--runs 20] [--batch 2] [--device cpu] [--layout channels_last_3d]
    .venv/bin/python benchmarks/blocks.py --memory [--batch 2] [--device cpu] [--layout channels_last_3d]

For the times all stand in one process and take turns, so that what else the machine does falls on all; medians are
compared. Peak memory is that of a fresh process for each, above what it held before, on the device that is named.
Every run begins without gradients, so that none adds to those of the run before.
"""

from __future__ import annotations

import argparse
import importlib
from functools import partial

import torch
from blocks_peers import CONTEXT, MMCV_CONTEXT, forms_of
from side_by_side import Work, in_fresh_process, medians, peak_mib, take_turns
from torch import Tensor, nn

from gcvideo.commands._tables import table
from gcvideo.models.blocks.non_local import PAIRWISE

SITES = {  # of Slow R50 8x8 at 224 px
    "res2 8x56x56": (256, 8, 56, 56),
    "res3 8x28x28": (512, 8, 28, 28),
    "res4 8x14x14": (1024, 8, 14, 14),
    "res5 8x7x7": (2048, 8, 7, 7),
}
MEMORY_SITE = "res4 8x14x14"
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last_3d": torch.channels_last_3d}
AT: dict[str, list[str]] = {  # the blocks of each site: networks have NL in res3 and res4, SE everywhere
    "res2 8x56x56": [*MMCV_CONTEXT, "SE", "ECA"],
    "res3 8x28x28": [*PAIRWISE, *CONTEXT],
    "res4 8x14x14": [*PAIRWISE, *CONTEXT],
    "res5 8x7x7": list(CONTEXT),
}


def main() -> None:
    """Prints a table of medians, and the ratio to the best of the others."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--layout", choices=list(LAYOUTS), default="contiguous", help="of the features and weights")
    parser.add_argument("--memory", action="store_true", help=f"peak memory at {MEMORY_SITE}")
    parser.add_argument("--one", nargs=3, metavar=("SITE", "BLOCK", "FORM"), help="measures one peak, in this process")
    options = parser.parse_args()
    _check_device(parser, options)
    if options.one:
        print(_peak(options, *options.one))
        return
    where = f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.device}"
    print(f"{where}, batch {options.batch}, fp32, {options.layout}")
    if options.memory:
        rows = [_row(name, _peaks(name, options)) for name in AT[MEMORY_SITE]]
        print(table([f"MiB, {MEMORY_SITE}", *_COLUMNS, "best other / ours"], rows))
        return
    rows = []
    for site, names in AT.items():
        x = _features(site, options)
        for name in names:
            steps = {form: _Step(block, x, options) for form, block in forms_of(x.shape[1], name).items()}
            times = take_turns(steps, options.runs, before=partial(_clear, steps))
            rows.append(_row(f"{site} {name}", medians(times)))
    for positions in (6272,):
        cores = _cores(positions, options)
        rows += [_row(name, medians(take_turns(works, options.runs))) for name, works in cores.items()]
    print(table(["milliseconds", *_COLUMNS, "best other / ours"], rows))


def _check_device(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    kind = torch.device(options.device).type
    if kind == "cuda" and not torch.cuda.is_available():
        parser.error(f"--device {options.device}: torch sees no GPU here; leave it out for the processor")
    if (options.memory or options.one) and kind not in ("cpu", "cuda"):
        parser.error(f"--memory cannot measure on --device {options.device}; take cpu or cuda")


def _peaks(name: str, options: argparse.Namespace) -> dict[str, float]:
    """MiB of each form in a process of its own."""
    how = ["--batch", options.batch, "--device", options.device, "--layout", options.layout]
    forms = forms_of(SITES[MEMORY_SITE][0], name)
    return {form: in_fresh_process(__file__, *how, "--one", MEMORY_SITE, name, form) for form in forms}


def _peak(options: argparse.Namespace, site: str, name: str, form: str) -> float:
    """MiB that forward and backward need on the device: the gradients, and what lies between."""
    block = forms_of(SITES[site][0], name)[form]
    small = _Step(block, torch.randn(1, SITES[site][0], 2, 4, 4), options)
    small()  # libraries are loaded now
    small.clear()
    step = _Step(block, _features(site, options), options)
    return peak_mib(step)


def _features(site: str, options: argparse.Namespace) -> Tensor:
    channels, *size = SITES[site]
    return torch.randn(options.batch, channels, *size)


class _Step:
    """Forward and backward of a block on features of its own, on the device and in the layout of the options."""

    def __init__(self, block: nn.Module, x: Tensor, options: argparse.Namespace) -> None:
        layout = LAYOUTS[options.layout]
        self.block = block.to(device=options.device)
        for weight in (parameter for parameter in block.parameters() if parameter.ndim == 5):
            weight.data = weight.data.to(memory_format=layout)  # 1x1 ones of pictures lie alike in both layouts
        self.x = x.to(device=options.device).clone(memory_format=layout).requires_grad_()

    def __call__(self) -> None:
        self.block(self.x).sum().backward()

    def clear(self) -> None:
        """Without gradients, as before the first run."""
        self.x.grad = None
        self.block.zero_grad(set_to_none=True)


def _clear(steps: dict[str, _Step]) -> None:
    for step in steps.values():
        step.clear()


def _cores(positions: int, options: argparse.Namespace) -> dict[str, dict[str, Work]]:
    """The pairwise functions alone, forward, at d = 256 and N = N'."""
    forms = importlib.import_module("gcvideo.models.blocks.pairwise")
    q, k, v = (torch.randn(options.batch, positions, 256, device=options.device) for _ in range(3))
    a, b = q[:, :, 0].contiguous(), k[:, :, 0].contiguous()
    return {
        f"core N = N' = {positions} dot product": {
            "ours": lambda: forms.dot_product(q, k, v),
            "textbook": lambda: ((q @ k.transpose(1, 2)) / positions) @ v,
        },
        f"core N = N' = {positions} concatenation": {
            "ours": lambda: forms.concatenation(a, b, v),
            "textbook": lambda: (torch.relu(a[:, :, None] + b[:, None, :]) / positions) @ v,
        },
        f"core N = N' = {positions} softmax": {
            "ours": lambda: forms.softmax(q, k, v, 256**-0.5),
            "textbook": lambda: (q @ k.transpose(1, 2) * 256**-0.5).softmax(2) @ v,
        },
    }


def _row(name: str, found: dict[str, float]) -> list[str]:
    cells = [f"{found[column]:.1f}" if column in found else "-" for column in _COLUMNS]
    return [name, *cells, f"{min(v for k, v in found.items() if k != 'ours') / found['ours']:.2f}"]


_COLUMNS = ("ours", "textbook", "pytorchvideo", "mmcv")

if __name__ == "__main__":
    main()
