"""The command lines of fit, validate and test: run, only built, or only their parser."""

from __future__ import annotations

import logging
from pathlib import Path

from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from gcvideo.commands._configs import with_found_configs
from gcvideo.commands.running.checkpoint_config import config_of_checkpoint
from gcvideo.commands.running.help import HelpFormatter, teach
from gcvideo.commands.running.options import TRAINER_DEFAULTS, import_all_parts
from gcvideo.commands.running.video_cli import ParserOnly, VideoCLI
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.tracking.checkpoint_io import RunTrainer
from gcvideo.training.task import ActionRecognition

_SKIPPED = {"model", "train_dataloaders", "val_dataloaders", "dataloaders", "datamodule", "weights_only", "verbose"}


def run(command: str, arguments: list[str]) -> int:
    """Runs ``gcvideo fit``, ``validate`` or ``test``; gives the exit code."""
    hush_lightning()
    import_all_parts()
    arguments, configs = with_found_configs(arguments)
    if command != "fit" and not configs:
        arguments = [*config_of_checkpoint(arguments), *arguments]
    run_cli(command, arguments, configs)
    return 0


def hush_lightning() -> None:
    """Our own lines say what a user needs."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)


def build(arguments: list[str]) -> ActionRecognition:
    """The task that ``gcvideo fit`` with these arguments would train; nothing is run, no video is opened."""
    import_all_parts()
    arguments, configs = with_found_configs(arguments)
    task: ActionRecognition = run_cli("fit", arguments, configs, only_build=True).model
    return task


def parser_of(command: str) -> LightningArgumentParser:
    """The options of one command; nothing is run."""
    try:
        run_cli(command, None, [])
    except ParserOnly as built:
        return built.parser
    raise AssertionError("the command line stops before it parses")


def run_cli(
    command: str, arguments: list[str] | None, config_files: list[Path], *, only_build: bool = False
) -> LightningCLI:
    """Builds the command line of one command, which runs it; without arguments it stops at its parser."""

    class CommandLine(VideoCLI):
        configs = config_files
        stops_when_built = only_build
        default_name = config_files[-1].stem if config_files else command

        @staticmethod
        def subcommands() -> dict[str, set[str]]:
            return {command: _SKIPPED}

    quiet = {"exit_on_error": False, "allow_abbrev": False, "formatter_class": HelpFormatter}
    texts = {"usage": f"gcvideo {command} --config NAME_OR_FILE [--any.key=value ...]", "description": teach(command)}
    return CommandLine(
        ActionRecognition,
        VideoDataModule,
        subclass_mode_data=True,
        save_config_callback=None,
        trainer_class=RunTrainer,
        trainer_defaults=dict(TRAINER_DEFAULTS),
        seed_everything_default=0,
        parser_kwargs={**quiet, "prog": "gcvideo", command: quiet | texts},
        auto_configure_optimizers=False,
        args=None if arguments is None else [command, *arguments],
    )
