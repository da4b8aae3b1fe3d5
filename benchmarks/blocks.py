"""Time and peak memory of every block, beside its textbook form, pytorchvideo's and mmcv's: forward and backward.

    .venv/bin/python benchmarks/blocks.py [--runs 20] [--batch 2] [--device cpu] [--layout channels_last_3d]
    .venv/bin/python benchmarks/blocks.py --memory

For the times all stand in one process and take turns, so that what else the machine does falls on all; medians are
compared. Peak memory is that of a fresh process for each, above what it held before.
"""

from __future__ import annotations

import argparse
import importlib
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from side_by_side import Work, in_fresh_process, medians, peak_mib, take_turns
from torch import Tensor, nn

from gcvideo.commands._tables import table
from gcvideo.models.blocks.efficient_channel import EfficientChannel
from gcvideo.models.blocks.efficient_channel_ns import EfficientChannelNS
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.blocks.non_local import PAIRWISE, NonLocal
from gcvideo.models.blocks.se_grouped import SEGrouped
from gcvideo.models.blocks.se_var1 import SEVar1
from gcvideo.models.blocks.se_var2 import SEVar2
from gcvideo.models.blocks.se_var3 import SEVar3
from gcvideo.models.blocks.simplified_non_local import SimplifiedNonLocal
from gcvideo.models.blocks.squeeze_excitation import SqueezeExcitation

SITES = {"res3 8x28x28": (512, 8, 28, 28), "res4 8x14x14": (1024, 8, 14, 14)}  # of Slow R50 8x8 at 224 px
SUB = (1, 2, 2)
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last_3d": torch.channels_last_3d}
CONTEXT: dict[str, Callable[[int], Any]] = {
    "GC": GlobalContext,
    "SNL": SimplifiedNonLocal,
    "SE": SqueezeExcitation,
    "SE-Var1": SEVar1,
    "SE-Var2": SEVar2,
    "SE-Var3": SEVar3,
    "SE-GC1": partial(SEGrouped, groups=16),
    "ECA": EfficientChannel,
    "ECA-NS": EfficientChannelNS,
}


def main() -> None:
    """Prints a table of medians, and the ratio to the best of the others."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--layout", choices=list(LAYOUTS), default="contiguous", help="of the features and weights")
    parser.add_argument("--memory", action="store_true", help="peak memory at the last site, contiguous")
    parser.add_argument("--one", nargs=3, metavar=("SITE", "BLOCK", "FORM"), help="measures one peak, in this process")
    options = parser.parse_args()
    if options.one:
        print(_peak(*options.one, options.batch))
        return
    where = f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.device}"
    print(f"{where}, batch {options.batch}, fp32, {options.layout}")
    if options.memory:
        site = list(SITES)[-1]
        peaks = {name: {form: _in_fresh_process(site, name, form, options) for form in forms} for name, forms in _all()}
        print(table([f"MiB, {site}", *_COLUMNS, "best other / ours"], [_row(*item) for item in peaks.items()]))
        return
    rows = []
    for site, (channels, *size) in SITES.items():
        how: dict[str, Any] = {"device": options.device, "memory_format": LAYOUTS[options.layout]}
        x = torch.randn(options.batch, channels, *size).to(**how)
        for name, _ in _all():
            works = {form: _step(block.to(**how), x) for form, block in _forms(channels, name).items()}
            rows.append(_row(f"{site} {name}", medians(take_turns(works, options.runs))))
    for positions in (6272,):
        cores = _cores(positions, options)
        rows += [_row(name, medians(take_turns(works, options.runs))) for name, works in cores.items()]
    print(table(["milliseconds", *_COLUMNS, "best other / ours"], rows))


def _all() -> list[tuple[str, list[str]]]:
    """Every block, and the forms in which there is one at the last site."""
    channels = list(SITES.values())[-1][0]
    return [(name, list(_forms(channels, name))) for name in (*PAIRWISE, *CONTEXT)]


def _forms(channels: int, name: str) -> dict[str, Any]:
    """A block of that name by ours, the textbook, and others."""
    if name in PAIRWISE:
        return _blocks(channels, name)
    block = CONTEXT[name](channels)
    return {"ours": block, "textbook": _Textbook(block)}


def _in_fresh_process(site: str, name: str, form: str, options: argparse.Namespace) -> float:
    return in_fresh_process(__file__, "--batch", options.batch, "--one", site, name, form)


def _peak(site: str, name: str, form: str, batch: int) -> float:
    """MiB that forward and backward need."""
    channels, *size = SITES[site]
    block = _forms(channels, name)[form]
    _step(block, torch.randn(1, channels, 2, 4, 4))()  # libraries are loaded now
    x = torch.randn(batch, channels, *size)
    return peak_mib(lambda: _step(block, x)())


def _blocks(channels: int, pairwise: Any) -> dict[str, Any]:
    """The same block four times; mmcv pools after phi and g, so it does more where keys are subsampled."""
    ours = NonLocal(channels, pairwise=pairwise, subsample=SUB)
    blocks: dict[str, Any] = {"ours": ours, "textbook": _Textbook(ours)}
    with warnings.catch_warnings(action="ignore"):
        mmcv = importlib.import_module("mmcv.cnn.bricks").NonLocal3d
    if pairwise != "concatenation":  # mmcv 2.2's divides in place what its backward needs, which torch refuses
        blocks["mmcv"] = mmcv(channels, mode=pairwise, norm_cfg={"type": "BN3d"}, sub_sample=True)
    kinds = {"embedded_gaussian": "softmax", "dot_product": "dot_product"}
    if pairwise in kinds:
        create = importlib.import_module("pytorchvideo.layers.nonlocal_net").create_nonlocal
        blocks["pytorchvideo"] = create(
            dim_in=channels,
            dim_inner=channels // 2,
            pool_size=SUB,
            instantiation=kinds[pairwise],
            norm=nn.BatchNorm3d,
            norm_eps=1e-5,
            norm_momentum=0.1,
        )
    return blocks


class _Textbook(nn.Module):
    def __init__(self, block: Any) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """The reference of the same block."""
        result: Tensor = self.block.reference(x)
        return result


def _step(block: Any, x: Tensor) -> Work:
    x = x.clone().requires_grad_()

    def work() -> None:
        block(x).sum().backward()

    return work


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
