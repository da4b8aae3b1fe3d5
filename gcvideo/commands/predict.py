"""Say what is seen in videos: a table, a CSV or JSON, the videos with their labels drawn on them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gcvideo.commands._arguments import CommandParser
from gcvideo.errors import InputError

if TYPE_CHECKING:
    from gcvideo.commands._predicting import Work

_EXAMPLES = """examples:
  gcvideo predict --ckpt_path best.ckpt video.mp4
  gcvideo predict --ckpt_path best.ckpt MY_VIDEOS --out predictions.csv --views 10x3
  gcvideo predict --ckpt_path best.ckpt list.txt --annotate annotated
  gcvideo predict --ckpt_path best.ckpt lecture.mp4 --window 4 --stride 2 --timeline times
  gcvideo predict --ckpt_path best.ckpt --stream /dev/video0

A folder stands for the videos in it at any depth; a .txt names one a line, a .csv in its column path (else the first).
A file that is named twice comes once. Files that cannot be read are listed, the rest is done, and the exit code is 1.
Ctrl-C ends after the batch at hand: what is done is printed and written, the rest is listed as not reached."""


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo predict``; 1 if a file could not be predicted, 130 after Ctrl-C, 143 after SIGTERM."""
    options = parser().parse_args(arguments)
    if options.stream is not None:
        return _stream(options)
    _check_use(options)
    from gcvideo.commands._predicting import prepare, report, work

    prepared: Work = prepare(options)
    outcomes, number = work(prepared)
    failed = report(prepared, outcomes)
    return 128 + number if number else int(failed)


def parser() -> CommandParser:
    """The options of the command."""
    result = CommandParser(
        prog="gcvideo predict",
        description="Every file is decoded once to see what can be read of it, then predicted as the validation of the "
        "training would: same clips, same crops, same precision.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = result.add_argument
    add("video", nargs="*", metavar="VIDEO|FOLDER|LIST", help="what is predicted")
    add("--ckpt_path", required=True, metavar="CKPT", help="a checkpoint of gcvideo fit, such as RUN/best.ckpt")
    add("--out", metavar="FILE", help="write a .csv (a row a video) or .json; files that failed are in it, too")
    add("--top", type=int, default=5, help="how many of the best classes are named (default: %(default)s)")
    add("--views", metavar="LxC[@PX]", help="clips x crops a video, such as 10x3 (default: those of the validation)")
    add("--annotate", metavar="DIR", help="write each video there with its labels drawn on it")
    add("--window", type=float, metavar="SECONDS", help="predict every so many seconds of a long video by themselves")
    add("--stride", type=float, metavar="SECONDS", help="from one window to the next (default: half a window)")
    add("--timeline", metavar="DIR", help="with --window: write a picture and a CSV of the segments of each video")
    add("--stream", metavar="URL|DEVICE", help="say what is seen in a camera or stream, a line a window, until Ctrl-C")
    add("--batch_size", type=int, default=8, help="views at a time on each device (default: %(default)s)")
    add("--num_workers", type=int, help="processes that decode, for each device (default: by files and processors)")
    add("--precision", help="32-true, bf16-mixed or 16-mixed (default: that of the training)")
    add("--devices", type=int, default=1, help="processes, each with a device of its own (default: %(default)s)")
    add("--accelerator", default="auto", help="auto, cpu, gpu or mps (default: %(default)s)")
    return result


def _check_use(options: argparse.Namespace) -> None:
    if not options.video:
        raise InputError("no video named; name videos, folders or lists, or a camera with --stream", exit_code=2)
    if options.window is None:
        for name in ("stride", "timeline"):
            if getattr(options, name) is not None:
                raise InputError(f"--{name} is of windows: say how long these are with --window SECONDS", exit_code=2)
    if options.batch_size < 1:
        raise InputError(f"--batch_size is {options.batch_size}; expected at least 1", exit_code=2)
    if (options.num_workers or 0) < 0:
        raise InputError(f"--num_workers is {options.num_workers}; expected 0 or more", exit_code=2)


def _stream(options: argparse.Namespace) -> int:
    for name in ("video", "out", "annotate", "timeline"):
        if getattr(options, name):
            raise InputError(
                f"--stream prints a line a window and takes no {name.replace('video', 'files')}", exit_code=2
            )
    from gcvideo.commands._predicting_stream import follow

    return follow(options)
