"""Peak memory of a non-local block's forward and backward against the number of positions, each in a fresh process.

    .venv/bin/python benchmarks/memory.py [--channels 256]

The slope in logarithms is 1 where memory grows with the positions and 2 where all pairs are stored.
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys

from gcvideo.commands._tables import table

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
            peaks = {n: _in_fresh_process(options.channels, pairwise, form, n) for n in sizes}
            slope = math.log(peaks[sizes[-1]] / peaks[sizes[0]]) / math.log(sizes[-1] / sizes[0])
            cells = [f"{peaks[n] / 2**20:.0f}" if n in peaks else "-" for n in POSITIONS]
            rows.append([pairwise, form, *cells, f"{slope:.2f}"])
    print(table(["", "", *(f"MiB at N = {n}" for n in POSITIONS), "slope"], rows, left=2))


def _in_fresh_process(channels: int, pairwise: str, form: str, positions: int) -> int:
    command = [sys.executable, __file__, "--channels", str(channels), "--one", pairwise, form, str(positions)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peak(channels: int, pairwise: str, form: str, positions: int) -> int:
    """Bytes by which forward and backward of one clip raise the highest resident memory."""
    import torch

    from gcvideo.models.blocks.non_local import NonLocal

    block = NonLocal(channels, pairwise=pairwise)  # type: ignore[arg-type]
    small = torch.randn(1, channels, 2, 4, 4, requires_grad=True)
    (block(small) if form == "fast" else block.reference(small)).sum().backward()  # libraries are loaded now
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    x = torch.randn(1, channels, *POSITIONS[positions], requires_grad=True)
    (block(x) if form == "fast" else block.reference(x)).sum().backward()
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


if __name__ == "__main__":
    main()
