"""``gcvideo fit --plan``: what a run would do and cost, told before anything is trained; it leaves a picture alone."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch.cli import LightningCLI

from gcvideo.commands._tables import table
from gcvideo.commands.planning.cost import measure_run
from gcvideo.commands.planning.data import describe_data
from gcvideo.commands.planning.hours import describe_cost
from gcvideo.commands.planning.network import describe_network
from gcvideo.commands.planning.picture import draw_rates
from gcvideo.commands.planning.steps import Learning, curve_text, describe_learning, group_rows, plan_learning
from gcvideo.commands.running.devices import Devices
from gcvideo.errors import plain
from gcvideo.models.counting import MACS, Clip
from gcvideo.tracking.run import make_folder

PICTURE = "plan.png"


def show_plan(cli: LightningCLI, devices: Devices, *, name: str) -> None:
    """Prints the plan of the run that a command line has built, and draws its learning rate.

    Args:
        cli: with the task, the data and a trainer of one device.
        devices: that the config asks for.
        name: of the run, for the picture.

    Raises:
        InputError: where ``fit`` would refuse the config or the videos.
    """
    task, data, options = cli.model, cli.datamodule, cli.config["fit"]
    data.prepare_data()
    learning = plan_learning(task, data, cli.trainer, devices.count)
    clip = Clip(data.num_frames, data.crop_px, data.crop_px)
    _print("network", describe_network(task, clip, options.model, options.ckpt_path))
    _print("data", describe_data(data))
    _print("learning", describe_learning(task, learning))
    _print_groups(learning)
    path = _folder(options.run_dir) / PICTURE
    draw_rates(task, learning, path, title=f"learning rate of {name}")
    with _quietly():
        measured = measure_run(task, data, options.trainer, devices)
    _print("cost", describe_cost(learning, measured, devices, cli.trainer))
    print(f"(1) {MACS}")
    print(f"{path} has the learning rate as a picture; nothing was trained, the same line without --plan does it")


def _print(title: str, rows: Sequence[Sequence[str]]) -> None:
    print(plain(table([title, ""], rows, left=2)) + "\n", flush=True)


def _print_groups(learning: Learning) -> None:
    header = ["parameters in the groups", "tensors", "weight decay", "learning rate"]
    print(table(header, group_rows(learning.optimizer), left=0) + "\n")
    print(f"learning rate along the run\n{curve_text(learning)}\n", flush=True)


def _folder(run_dir: str | None) -> Path:
    """Where the picture goes: the folder that is named, else the working folder."""
    return Path() if run_dir is None else make_folder(Path(run_dir).expanduser(), is_new=False)


@contextmanager
def _quietly() -> Iterator[None]:
    """What the parts have to say was said when they were set up first; of workers and cores the plan has a row."""
    log = logging.getLogger("gcvideo")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*worker processes in total.*")
            yield
    finally:
        log.setLevel(before)
