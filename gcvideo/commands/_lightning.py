"""What fit, validate and test share: the config becomes objects, the trainer runs, the results are left in a folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, ClassVar

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from gcvideo.commands._catalogue import Catalogue
from gcvideo.commands._configs import with_found_configs
from gcvideo.commands._errors import (
    check_config,
    explained_building,
    explained_checks,
    explained_loading,
    explained_parsing,
)
from gcvideo.commands._folders import choose_folder, classes_in, find_checkpoint, how_to_continue
from gcvideo.commands._help import HelpFormatter, teach
from gcvideo.commands._options import (
    TRAINER_DEFAULTS,
    check_seed,
    check_share,
    import_all_parts,
    validate_before_the_end,
)
from gcvideo.commands._results import evaluate_best, finish
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.errors import InputError
from gcvideo.tracking.checkpoints import checkpoint_callbacks
from gcvideo.tracking.failures import FailedVideos
from gcvideo.tracking.progress import progress_callbacks, shows_bar
from gcvideo.tracking.run import RunTracker
from gcvideo.tracking.throughput import Throughput
from gcvideo.training.task import ActionRecognition

_SKIPPED = {"model", "train_dataloaders", "val_dataloaders", "dataloaders", "datamodule", "weights_only", "verbose"}


def run(command: str, arguments: list[str]) -> int:
    """Runs ``gcvideo fit``, ``validate`` or ``test``; gives the exit code."""
    hush_lightning()
    import_all_parts()
    arguments, configs = with_found_configs(arguments)
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
    except _ParserOnly as built:
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
        trainer_defaults=dict(TRAINER_DEFAULTS),
        seed_everything_default=0,
        parser_kwargs={**quiet, "prog": "gcvideo", command: quiet | texts},
        auto_configure_optimizers=False,
        args=None if arguments is None else [command, *arguments],
    )


class _ParserOnly(Exception):
    """Carries a parser that was wanted for itself."""

    def __init__(self, parser: LightningArgumentParser) -> None:
        self.parser = parser


class VideoCLI(LightningCLI):
    """LightningCLI with a run folder, and one meaning of ``--ckpt_path``."""

    configs: ClassVar[list[Path]] = []
    default_name = "run"
    stops_when_built = False

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The options that are neither the trainer's, the model's nor the data's."""
        parser.add_argument("--run_dir", type=str | None, default=None, help="The run folder; default: runs/NAME-TIME.")
        parser.add_argument(
            "--name", type=str | None, default=None, help="Name of the run; default: the config's name."
        )
        parser.add_argument(
            "--final_test", type=bool, default=False, help="Whether fit ends with the test of the best checkpoint."
        )
        after = "Share of the epochs after which the choice of the best checkpoint begins anew, 0 to below 1."
        parser.add_argument("--best_after", type=float, default=0.0, help=after)
        parser.add_argument(
            "--catalogue",
            type=Catalogue | None,
            default=None,
            help="What was published of the model; gcvideo models lists it.",
        )
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")
        parser.link_arguments("seed_everything", "model.seed", compute_fn=int)
        parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=int)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parses without Lightning's warning that arguments were given in Python."""
        if args is None:
            raise _ParserOnly(self._parser(next(iter(self.subcommands()))))
        options = self._parser(next(iter(self.subcommands())))
        for config in self.configs:
            check_config(config, options)
        with explained_parsing(options):
            self.config = parser.parse_args(args)
        check_seed(self.config[self.config.subcommand].seed_everything, args)
        check_share("best_after", self.config[self.config.subcommand].best_after)

    def _parse_ckpt_path(self) -> None:
        """Resolves ``last`` and ``best``; the network is the config's, not the checkpoint's."""
        options = self.config[self.config.subcommand]
        options.ckpt_path = find_checkpoint(options.ckpt_path, options.run_dir)
        if self.config.subcommand != "fit" and options.ckpt_path is None:
            raise InputError(
                "no checkpoint named: give one with --ckpt_path=FILE (a run leaves best.ckpt)", exit_code=2
            )
        self.folder = choose_folder(options.run_dir, options.ckpt_path, options.name or self.default_name)

    def instantiate_classes(self) -> None:
        """Data, model and trainer."""
        with explained_building():
            super().instantiate_classes()

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Adds what every run has: folder and logs, checkpoints, progress, throughput."""
        options = self.config_init[self.subcommand]
        validate_before_the_end(options.trainer)
        self._dump_config()
        name = options.name or self.default_name
        kept = {**self.config_dump, "name": name, "run_dir": None, "ckpt_path": None, "catalogue": None}  # what runs
        wanted = options.trainer.logger
        self.tracker = RunTracker(
            self.folder,
            is_new=options.run_dir is None and options.ckpt_path is None,
            name=name,
            job_type=str(self.subcommand),
            config=kept,
            use_wandb=wanted in (None, True),
            ckpt_path=options.ckpt_path,
        )
        self.trainer_defaults["callbacks"] = self._callbacks(options)
        return super().instantiate_trainer(
            logger=False if wanted in (None, True) else wanted,
            enable_progress_bar=shows_bar(options.trainer.enable_progress_bar),
            **kwargs,
        )

    def _callbacks(self, options: Any) -> list[Callback]:
        saving = self.subcommand == "fit" and options.trainer.enable_checkpointing is not False
        bars = progress_callbacks(bar=shows_bar(options.trainer.enable_progress_bar))
        rates = [LearningRateMonitor("step")] if self.subcommand == "fit" else []
        return [
            self.tracker,
            Throughput(),
            FailedVideos(self.tracker, self.datamodule.reading.max_failed),
            *rates,
            *bars,
            *(checkpoint_callbacks(options.best_after) if saving else []),
        ]

    def _run_subcommand(self, subcommand: str) -> None:
        """Runs the trainer."""
        if self.stops_when_built:
            return
        if (self.trainer.max_epochs, self.trainer.max_steps) == (-1, -1):
            raise InputError("the run has no end: set --trainer.max_epochs or --trainer.max_steps", exit_code=2)
        self._check_classes(self.config[subcommand].ckpt_path)
        try:
            with explained_loading(self.config[subcommand].ckpt_path), explained_checks():
                super()._run_subcommand(subcommand)
        except SystemExit as stop:  # how Lightning ends after Ctrl-C
            if not self.trainer.interrupted:
                raise
            raise InputError(how_to_continue(self.tracker.folder), exit_code=130) from stop

    def _check_classes(self, ckpt_path: str | None) -> None:
        """Other classes are refused before their scores fail to fit."""
        learned = classes_in(ckpt_path) if ckpt_path else None
        if learned is not None:
            self.datamodule.load_state_dict({"classes": learned})

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = {**super()._prepare_subcommand_kwargs(subcommand), "weights_only": True}
        return kwargs if subcommand == "fit" else {**kwargs, "verbose": False}

    def after_fit(self) -> None:
        """The results of the best checkpoint: on the videos that chose it, or on those kept for the end."""
        evaluate_best(self.trainer, self.model, self.datamodule, on_test=self.config.fit.final_test)
        finish(self.trainer, self.model, self.datamodule, self.tracker)

    def after_validate(self) -> None:
        """The results."""
        finish(self.trainer, self.model, self.datamodule, self.tracker)

    def after_test(self) -> None:
        """The results."""
        finish(self.trainer, self.model, self.datamodule, self.tracker)
