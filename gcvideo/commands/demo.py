"""Do the whole job on small embedded videos: write them, index, fit, test."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

from gcvideo.commands._arguments import CommandParser
from gcvideo.data.motion import CLASSES
from gcvideo.data.motion_set import num_motion_videos, write_motion_set
from gcvideo.data.progress import counted_progress
from gcvideo.errors import InputError


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo demo``; options it does not know go to fit."""
    given = parser()
    options, for_fit = given.parse_known_args(arguments)
    _check_fit_takes(for_fit, given)
    began = time.monotonic()
    root = _videos(options)
    from gcvideo.tracking.run import new_run_folder

    folder = Path(options.run_dir).expanduser() if options.run_dir else new_run_folder("demo")
    seed = f"--seed_everything={options.seed}"
    fit = ["fit", "--config", "demo", "--data.root", str(root), "--run_dir", str(folder), seed, *for_fit]
    test = ["test", "--ckpt_path", str(folder / "best.ckpt")]
    for command in (fit, test):
        code = _run(command)
        if code:
            return code
    print(f"\nThe demo took {time.monotonic() - began:.0f} s. Look at {folder}/curves.png and confusion_matrix.png.")
    print("Your own videos, in a folder with a folder per class, are trained on with:")
    print("  gcvideo fit --config folder --data.root MY_VIDEOS")
    return 0


def parser() -> CommandParser:
    """The options of the command."""
    result = CommandParser(
        prog="gcvideo demo",
        description=f"Writes videos of {len(CLASSES)} classes of motion (no single frame tells the class), trains a "
        "SlowOnly network with global context blocks on them, and tests it. Other options go to gcvideo fit, such as "
        "--trainer.max_epochs=2.",
    )
    result.add_argument("--dir", default="gcvideo-demo", help="where the videos go (default: %(default)s)")
    result.add_argument("--run_dir", help="the run folder (default: runs/demo-TIME)")
    result.add_argument("--seed", type=int, default=0, help="of the videos and the training (default: %(default)s)")
    result.add_argument(
        "--difficulty", choices=["easy", "hard"], default="easy", help="hard: either polarity on strong texture"
    )
    result.add_argument("--num_train", type=int, default=60, help="training videos a class (default: %(default)s)")
    result.add_argument("--num_test", type=int, default=20, help="test videos a class (default: %(default)s)")
    return result


def _check_fit_takes(for_fit: list[str], given: CommandParser) -> None:
    """Before the videos are written; what lies deeper, such as --data.batch_size, is for fit to look at."""
    words = [word for word in for_fit if word.startswith("-") and "." not in word.partition("=")[0]]
    if words:
        from gcvideo.commands.running.command_line import parser_of

        known = [option for action in parser_of("fit")._actions for option in action.option_strings]
        given.refuse([word for word in words if word.partition("=")[0] not in known], known)


def _videos(options: argparse.Namespace) -> Path:
    """The folder of the videos; written once for the same options."""
    if min(options.num_train, options.num_test) < 1 or options.seed < 0:
        raise InputError("--num_train and --num_test are at least 1, and --seed is not negative", exit_code=2)
    counts = f"{options.num_train}x{options.num_test}"
    root = Path(options.dir).expanduser() / f"videos-{options.difficulty}-seed{options.seed}-{counts}"
    if root.is_dir():
        print(f"videos: {root} (written earlier)")
        return root
    unfinished = root.with_name(f"{root.name}.unfinished")
    try:
        unfinished.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{root}: cannot be written ({error.strerror}); name another folder with --dir") from error
    with counted_progress("writing videos") as (on_start, on_video):
        on_start(num_motion_videos(options.num_train, options.num_test))
        write_motion_set(
            unfinished,
            seed=options.seed,
            difficulty=options.difficulty,
            num_train=options.num_train,
            num_test=options.num_test,
            on_video=on_video,
        )
    unfinished.rename(root)
    print(f"videos: {root}")
    return root


def _run(command: list[str]) -> int:
    print(f"\n$ gcvideo {shlex.join(command)}", flush=True)
    return subprocess.run([sys.executable, "-m", "gcvideo", *command], check=False).returncode
