"""What 13 GC blocks add to a training step of Slow R50: ours, a plain port of the official block, and our reference.

    .venv/bin/python benchmarks/global_context.py [--runs 20] [--clip 8x112x112] [--batch 2] [--device cpu]

They take turns. The networks lie in channels_last_3d, where the plain port copies all features: its ``reshape`` cannot
be a view there. The reference is the same formula in torch's own operations without that copy.
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
from side_by_side import medians, take_turns
from torch import Tensor, nn

from gcvideo.commands._tables import table
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.block import Block
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.network import Network
from gcvideo.models.sites import Insertion


class Reference(GlobalContext):
    """Our block's plain form: its rows are a view in both layouts."""

    def forward(self, x: Tensor) -> Tensor:
        """The sentence as it stands in the paper."""
        return self.reference(x)


class PlainPort(Block):
    """GCNet's block with 3D convolutions for the 2D ones, operation by operation as the official code has them."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        hidden = channels // 4
        self.mask = nn.Conv3d(channels, 1, 1)
        self.norm = nn.LayerNorm(hidden)
        self.down, self.up = nn.Conv3d(channels, hidden, 1), nn.Conv3d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Mask, softmax, weighted sum, bottleneck, sum."""
        n, c = x.shape[:2]
        mask = self.mask(x).view(n, 1, -1).softmax(dim=2)  # (N, 1, S)
        context = torch.matmul(x.reshape(n, 1, c, -1), mask[..., None]).view(n, c, 1, 1, 1)
        hidden = self.down(context)
        hidden = self.norm(hidden.flatten(1))[:, :, None, None, None].relu()
        added: Tensor = self.up(hidden)
        return x + added


def main() -> None:
    """Prints the medians, what was added, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--clip", default="8x112x112")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    clip = tuple(int(n) for n in options.clip.split("x"))
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {threads} threads, {options.device}, {options.batch} x {options.clip}")
    rows = []
    for bf16 in (False, True):
        found = _medians(options.device, options.batch, clip, bf16, options.runs)
        none = found["no blocks"]
        added = {name: value - none for name, value in found.items()}
        rows += [
            ["bf16" if bf16 else "fp32", name, f"{value:.1f}", f"{added[name]:.1f}", f"{added[name] / none:.1%}"]
            for name, value in found.items()
        ]
        for other in ("plain port", "reference"):
            rows.append(["", f"{other} / ours, of what is added", "", "", f"{added[other] / added['ours']:.2f}"])
    print(table(["", "13 GC blocks", "ms a step", "added", "share"], rows, left=2))


def _medians(device: str, batch: int, clip: tuple[int, ...], bf16: bool, runs: int) -> dict[str, float]:
    everywhere: dict[str, object] = {"res3": "all", "res4": "all", "res5": "all"}
    kinds: dict[str, type[Block] | None] = {"no blocks": None, "plain port": PlainPort, "reference": Reference}
    kinds["ours"] = GlobalContext
    networks = {
        name: Network(SlowOnly(), 400, {"gc": Insertion(kind, everywhere)} if kind else None)  # type: ignore[arg-type]
        .to(device)
        .to(memory_format=torch.channels_last_3d)
        for name, kind in kinds.items()
    }
    x = torch.rand(batch, 3, *clip, device=device)
    works = {name: partial(_forward_and_backward, network, x, bf16) for name, network in networks.items()}
    return medians(take_turns(works, runs))


def _forward_and_backward(network: Network, x: Tensor, bf16: bool) -> None:
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
        loss = network(x).float().square().sum()
    loss.backward()
    network.zero_grad()


if __name__ == "__main__":
    main()
