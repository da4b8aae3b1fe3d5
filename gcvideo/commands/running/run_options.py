"""The options of fit, validate and test that are neither the trainer's, the model's nor the data's."""

from __future__ import annotations

from lightning.pytorch.cli import LightningArgumentParser

from gcvideo.commands._catalogue import Catalogue
from gcvideo.commands.running.trainer_options import MAX_TIME, PLAN


def add_run_options(parser: LightningArgumentParser) -> None:
    """Adds them, with what each does."""
    parser.add_argument("--run_dir", type=str | None, default=None, help="The run folder; default: runs/NAME-TIME.")
    parser.add_argument("--name", type=str | None, default=None, help="Name of the run; default: the config's name.")
    parser.add_argument(
        "--final_test", type=bool, default=False, help="Whether fit ends with the test of the best checkpoint."
    )
    after = "Share of the epochs after which the choice of the best checkpoint begins anew, 0 to below 1."
    parser.add_argument("--best_after", type=float, default=0.0, help=after)
    minutes = "Writes last.ckpt within an epoch when so many minutes have passed since the last time; 0: never."
    parser.add_argument("--save_every_minutes", type=float, default=10.0, help=minutes)
    steps = "Writes last.ckpt within an epoch after so many optimizer steps; 0: never."
    parser.add_argument("--save_every_steps", type=int, default=0, help=steps)
    parser.add_argument("--max_time", type=str | int | None, default=None, help=MAX_TIME)
    parser.add_argument("--plan", action="store_true", help=PLAN)
    parser.add_argument(
        "--catalogue",
        type=Catalogue | None,
        default=None,
        help="What was published of the model; gcvideo models lists it.",
    )
