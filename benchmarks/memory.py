"""Peak memory of a non-local block's forward and backward against the number of positions, each in a fresh process.

    .venv/bin/python benchmarks/memory.py [--channels 256]

The slope in logarithms is 1 where memory grows with the positions and 2 where all pairs are stored.
"""

from __future__ import annotations

import argparse
import math

import torch
from side_by_side import in_fresh_process, peak_mib

from gcvideo.commands._tables import table
from gcvideo.models.blocks.non_local import NonLocal

POSITIONS = {1568: (8, 14, 14), 6272: (8, 28, 28), 12544: (16, 28, 28), 25088: (32, 28, 28)}


def main() -> None:
    """Prints the peaks above that of an empty process, and the slope between the first and the last."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument(
        "--one", nargs=3, metavar=("PAIRWISE", "FORM", "POSITIONS"), help="measures one, in this process"
    )
    options = parser.parse_args()
    if options.one:
        print(_peak(options.channels, options.one[0], options.one[1], int(options.one[2])))
        return
    rows = []
    for pairwise in ("embedded_gaussian", "gaussian", "dot_product", "concatenation"):
        for form, sizes in (("fast", list(POSITIONS)), ("reference", [1568, 6272])):
            one = (__file__, "--channels", options.channels, "--one", pairwise, form)
            peaks = {n: in_fresh_process(*one, n) for n in sizes}
            slope = math.log(peaks[sizes[-1]] / peaks[sizes[0]]) / math.log(sizes[-1] / sizes[0])
            cells = [f"{peaks[n]:.0f}" if n in peaks else "-" for n in POSITIONS]
            rows.append([pairwise, form, *cells, f"{slope:.2f}"])
    print(table(["", "", *(f"MiB at N = {n}" for n in POSITIONS), "slope"], rows, left=2))


def _peak(channels: int, pairwise: str, form: str, positions: int) -> float:
    """MiB that forward and backward of one clip need, its features included."""
    block = NonLocal(channels, pairwise=pairwise)  # type: ignore[arg-type]

    def work(*size: int) -> None:
        x = torch.randn(1, channels, *size, requires_grad=True)
        (block(x) if form == "fast" else block.reference(x)).sum().backward()

    work(2, 4, 4)  # libraries are loaded now
    return peak_mib(lambda: work(*POSITIONS[positions]))


if __name__ == "__main__":
    main()
