"""A training step side by side with pytorchvideo's and mmaction2's: time, clips a second, peak memory.

    .venv/bin/python benchmarks/train_step.py [--runs 20] [--clip 8x112x112] [--batch 2] [--device cpu] [--compile]
    .venv/bin/python benchmarks/train_step.py --memory
    MMACTION2=~/mmaction2 .venv/bin/python benchmarks/train_step.py     (beside mmaction2, too; see pipeline.py)

Slow R50 without blocks, with 5 non-local and with 13 GC blocks. A step is forward, loss, backward and SGD with
momentum, on the same random clips, which are in memory. Ours is given uint8 and does all of the task's step
(normalisation, targets, accuracy); the peers are given float32 that is normalised, and do what a plain loop does. All
stand in one process and take turns in an order that rotates, so that what else the machine does falls on all. A ratio
is that of two runs of one turn; the median over the turns is shown. Peak memory is of two steps in a fresh process
each, weights, gradients and momentum included (on a processor with --compile the compiler's own, too).

There is no loader here, so nothing waits for data. The share of the time that a real run does is told by the run:
`gcvideo fit` says `waits for data` in its line of an epoch and writes `perf/data_wait` into metrics.jsonl (on a GPU the
time its queue was empty), and `gcvideo benchmark data --config NAME --data.root VIDEOS` says where that time goes.
"""

from __future__ import annotations

import argparse
import gc
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import torch
from side_by_side import in_fresh_process, medians, mmaction2_folder, peak_mib, quartiles, take_turns
from train_step_ways import (
    GC,
    NL,
    NONE,
    NUM_CLASSES,
    THEIR_NL,
    Batches,
    Way,
    all_ways,
    default,
    fp32,
    macs,
    make_step,
)

from gcvideo.commands._tables import table
from gcvideo.models.counting import Clip

KINDS = {"none": (NONE,), "NL": (NL, THEIR_NL), "GC": (GC,)}
WAY = ["blocks", "whose", "precision", "layout"]
PASSES = 3  # a step as multiples of a forward pass: that, and backward to the features and to the weights
MATMULS = 10
Times = dict[str, list[float]]


class Ratio(NamedTuple):
    """How many times as long one way takes as another; of several the fastest is taken."""

    what: str
    slower: Sequence[Way]
    faster: Way
    goal: float | None = None


PEERS = [Way(NONE, "pytorchvideo"), Way(NONE, "mmaction2")]
THEIRS = Way(THEIR_NL, "mmaction2")
RATIOS = [
    Ratio("fp32, no blocks: fastest peer / ours", PEERS, fp32(NONE), 1.0),
    Ratio("fp32, no blocks: fastest peer / ours, contiguous", PEERS, Way(NONE, "ours")),
    Ratio("fp32, mmaction2's 5 NL: mmaction2 / ours", [THEIRS], fp32(THEIR_NL), 1.0),
    Ratio("defaults, no blocks: fastest peer / ours", PEERS, default(NONE), 1.8),
    Ratio("defaults, 5 NL: mmaction2 / ours", [THEIRS], default(NL), 1.8),
    Ratio("5 NL / none: mmaction2", [THEIRS], Way(NONE, "mmaction2")),
    Ratio("5 NL / none: ours, fp32", [fp32(NL)], fp32(NONE)),
    Ratio("5 NL / none: ours, default", [default(NL)], default(NONE)),
    Ratio("13 GC / none: ours, fp32", [fp32(GC)], fp32(NONE)),
    Ratio("13 GC / none: ours, default", [default(GC)], default(NONE)),
    *(Ratio(f"eager / compiled: {kind}", [default(kind)], default(kind, compiled=True)) for kind in (NONE, NL, GC)),
]


def main() -> None:
    """Prints the steps, then the ratios beside the goals; or the peaks."""
    options = _options()
    if options.one:
        ways = all_ways(with_mmaction2=True, compiled=True)
        print(_peak(next(way for way in ways if way.name == options.one), options))
        return
    wanted = [blocks for kind in options.blocks for blocks in KINDS[kind]]
    ways = all_ways(with_mmaction2=mmaction2_folder() is not None, compiled=options.compile)
    ways = [way for way in ways if way.blocks in wanted]
    print(_conditions(options))
    if options.memory:
        rows = [[*way.cells, f"{_peak_in_fresh_process(way, options):.0f}"] for way in ways]
        print(table([*WAY, "peak, MiB"], rows, left=4))
        return
    batches = Batches.random(options.batch, options.clip, options.device)
    steps = {way.name: make_step(way, batches) for way in ways}
    params = {name: num_params for name, (_, num_params) in steps.items()}
    times = take_turns({name: step for name, (step, _) in steps.items()}, options.runs)
    print(_steps(ways, times, params, options), _ratios(times), sep="\n\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--clip", type=lambda text: Clip(*map(int, text.split("x"))), default=Clip(8, 112, 112))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--blocks", nargs="+", choices=list(KINDS), default=list(KINDS), help="these alone")
    parser.add_argument("--compile", action="store_true", help="our defaults through torch.compile, too")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of times")
    parser.add_argument("--one", metavar="WAY", help="measures one peak, in this process")
    return parser.parse_args()


def _conditions(options: argparse.Namespace) -> str:
    """What the figures depend on."""
    clips = f"{options.batch} x {'x'.join(map(str, options.clip))}"
    said = f"torch {torch.__version__}, {_device(options.device)}, clips {clips}, {NUM_CLASSES} classes"
    return said if options.memory else f"{said}, {options.runs} runs in turn"


def _device(device: str) -> str:
    if not device.startswith("cuda"):
        return f"cpu ({torch.backends.cpu.get_cpu_capability()}), {torch.get_num_threads()} threads"
    tf32, tuned = (
        "on" if flag else "off" for flag in (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark)
    )
    return f"{torch.cuda.get_device_name(device)}, TF32 in fp32 convolutions {tf32}, cudnn.benchmark {tuned}"


def _steps(ways: list[Way], times: Times, params: dict[str, int], options: argparse.Namespace) -> str:
    peaks = {bf16: _matmul_speed(options.device, bf16=bf16) for bf16 in (False, True)}
    work = {blocks: 2 * PASSES * options.batch * macs(blocks, options.clip) for blocks in {way.blocks for way in ways}}
    rows = []
    for way in ways:
        values = times[way.name]
        seconds = statistics.median(values) / 1000
        share = work[way.blocks] / seconds / peaks[way.bf16]
        cells = [f"{1000 * seconds:.1f}", quartiles(values, ".1f"), f"{options.batch / seconds:.1f}", f"{share:.0%}"]
        rows.append([*way.cells, *cells, f"{params[way.name] / 1e6:.2f}"])
    said = " and ".join(f"{peaks[bf16] / 1e12:.3g} TFLOP/s in {'bf16' if bf16 else 'fp32'}" for bf16 in peaks)
    return "\n".join(
        [
            table([*WAY, "ms a step", "quartiles", "clips/s", "of peak", "M params"], rows, left=4),
            f"peak: {said}, measured here: the fastest of {MATMULS} large matrix products",
            f"a step counts as {PASSES} forward passes, two operations a multiply-add, blocks as in their papers",
        ]
    )


def _ratios(times: Times) -> str:
    rows = []
    for what, slower, faster, goal in RATIOS:
        there = {way.name: times[way.name] for way in slower if way.name in times}
        if there and faster.name in times:
            found = medians(there)
            pairs = zip(there[min(found, key=found.__getitem__)], times[faster.name], strict=True)
            values = [slow / fast for slow, fast in pairs]
            median = statistics.median(values)
            met = ["-", "-"] if goal is None else [f"{goal:g}", "yes" if median >= goal else "no"]
            rows.append([what, f"{median:.2f}", quartiles(values, ".2f"), *met])
    heads = ["ratio of times, turn by turn", "median", "quartiles", "goal on a processor", "met"]
    return table(heads, rows) if rows else "nothing to compare"


def _matmul_speed(device: str, *, bf16: bool) -> float:
    """Operations a second of a large matrix product; in TF32 where convolutions in float32 are."""
    on_gpu = device.startswith("cuda")
    size, dtype = 8192 if on_gpu else 2048, torch.bfloat16 if bf16 else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    kept = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if on_gpu and torch.backends.cudnn.allow_tf32 else "highest")
    times = take_turns({"product": lambda: a @ b}, MATMULS)["product"]
    torch.set_float32_matmul_precision(kept)
    return 2 * size**3 / (min(times) / 1000)


def _peak_in_fresh_process(way: Way, options: argparse.Namespace) -> float:
    size = ("--clip", "x".join(map(str, options.clip)), "--batch", options.batch, "--device", options.device)
    return in_fresh_process(__file__, *size, "--one", way.name)


def _peak(way: Way, options: argparse.Namespace) -> float:
    """MiB of the network, its optimizer, the clips and two steps; the second has the momentum of the first."""

    def work(num_clips: int, clip: Clip) -> None:
        step, _ = make_step(way, Batches.random(num_clips, clip, options.device))
        step()
        step()

    small = (1, Clip(4, 64, 64))  # (a second size would make the compiler give up fixed shapes)
    work(*((options.batch, options.clip) if way.compiled else small))  # libraries are loaded now
    gc.collect()
    return peak_mib(lambda: work(options.batch, options.clip))


if __name__ == "__main__":
    main()
