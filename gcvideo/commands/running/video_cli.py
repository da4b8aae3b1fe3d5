"""What fit, validate and test share: options become objects, the trainer runs, the results are left in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from lightning import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from gcvideo.commands.planning.plan import show_plan
from gcvideo.commands.running.callbacks import run_callbacks
from gcvideo.commands.running.devices import planned_devices
from gcvideo.commands.running.disk import explained_disk
from gcvideo.commands.running.errors import (
    check_config,
    explained_building,
    explained_checks,
    explained_loading,
    explained_parsing,
    explained_workers,
)
from gcvideo.commands.running.folders import choose_folder, data_state_in, find_checkpoint, how_to_continue
from gcvideo.commands.running.launch import meet_other_ranks
from gcvideo.commands.running.options import check_seed, check_share
from gcvideo.commands.running.ranks import limit_waiting, together, with_cluster
from gcvideo.commands.running.results import evaluate_best, finish
from gcvideo.commands.running.run_options import add_run_options
from gcvideo.commands.running.starting import check_plan, check_weights
from gcvideo.commands.running.stopping import last_of_requeued, stopped
from gcvideo.commands.running.trainer_options import (
    check_device,
    check_optimizer,
    check_trainer,
    say_time_is_over,
    time_limit,
)
from gcvideo.errors import InputError
from gcvideo.tracking.checkpoint_io import with_checkpoint_io
from gcvideo.tracking.preemption import Preempted
from gcvideo.tracking.progress import shows_bar
from gcvideo.tracking.run import RunTracker


class ParserOnly(Exception):
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
        add_run_options(parser)
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")
        parser.link_arguments("seed_everything", "model.seed", compute_fn=int)
        parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=int)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parses without Lightning's warning that arguments were given in Python."""
        if args is None:
            raise ParserOnly(self._parser(next(iter(self.subcommands()))))
        options = self._parser(next(iter(self.subcommands())))
        for config in self.configs:
            check_config(config, options)
        with explained_parsing(options, args):
            self.config = parser.parse_args(args)
        check_seed(self.config[self.config.subcommand].seed_everything, args)
        check_share("best_after", self.config[self.config.subcommand].best_after)
        check_trainer(self.config[self.config.subcommand].trainer)
        if self.config[self.config.subcommand].plan and self.config.subcommand != "fit":
            raise InputError("--plan tells what a training would be: gcvideo fit", exit_code=2)

    def _parse_ckpt_path(self) -> None:
        """Resolves ``last`` and ``best``; the network is the config's, not the checkpoint's."""
        options = self.config[self.config.subcommand]
        wanted = options.ckpt_path or last_of_requeued(options.run_dir)
        options.ckpt_path = find_checkpoint(wanted, options.run_dir)
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
        if options.plan:
            check_plan(self.model, options)
            self.devices = planned_devices(options.trainer)
            silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
            return super().instantiate_trainer(**silent, **self.devices.at_hand, **kwargs)
        self._check_surroundings(options.trainer)
        self.time_limit = time_limit(options.max_time, options.trainer)
        self._dump_config()
        name = options.name or self.default_name
        kept = {**self.config_dump, "name": name, "run_dir": None, "ckpt_path": None, "catalogue": None}  # what runs
        kept.pop("plan")
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
        max_failed = self.datamodule.reading.max_failed
        self.trainer_defaults["callbacks"] = run_callbacks(self.tracker, options, max_failed, self.time_limit)
        limit_waiting()
        return super().instantiate_trainer(
            logger=False if wanted in (None, True) else wanted,
            enable_progress_bar=shows_bar(options.trainer.enable_progress_bar),
            plugins=with_checkpoint_io(with_cluster(options.trainer.plugins)),
            **kwargs,
        )

    def _check_surroundings(self, options: Any) -> None:
        """What this machine and its environment have to do with the options."""
        check_device(options, self.model.network)
        if self.subcommand == "fit":
            check_optimizer(self.model)
        if not self.stops_when_built:
            check_weights(self.model, self.config[self.subcommand].ckpt_path)
            self.meeting_place = meet_other_ranks(planned_devices(options).count)

    def _run_subcommand(self, subcommand: str) -> None:
        """Runs the trainer."""
        if self.stops_when_built:
            return
        if self.config[subcommand].plan:
            with explained_checks():
                show_plan(self, self.devices, name=self.config[subcommand].name or self.default_name)
            return
        if (self.trainer.max_epochs, self.trainer.max_steps) == (-1, -1):
            raise InputError("the run has no end: set --trainer.max_epochs or --trainer.max_steps", exit_code=2)
        self._check_classes(self.config[subcommand].ckpt_path)
        self.model.continues = self.config[subcommand].ckpt_path is not None
        with explained_disk(self.tracker):
            try:
                taken_up, all_ranks = self.config[subcommand].ckpt_path, together(self.trainer, self.tracker)
                workers = explained_workers(self.tracker.folder)
                with explained_loading(taken_up), explained_checks(), workers, all_ranks:
                    super()._run_subcommand(subcommand)
            except Preempted as stop:
                raise stopped(stop, self.trainer, self.tracker.folder) from stop
            except SystemExit as stop:  # how Lightning ends after Ctrl-C
                if not self.trainer.interrupted:
                    raise
                raise InputError(how_to_continue(self.tracker.folder), exit_code=130) from stop

    def _check_classes(self, ckpt_path: str | None) -> None:
        """Other classes are refused before their scores fail to fit; of clips taken otherwise a line tells."""
        learned = data_state_in(ckpt_path) if ckpt_path else None
        if learned is not None:
            self.datamodule.load_state_dict(learned)

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = {**super()._prepare_subcommand_kwargs(subcommand), "weights_only": True}
        return kwargs if subcommand == "fit" else {**kwargs, "verbose": False}

    def after_fit(self) -> None:
        """The results of the best checkpoint: on the videos that chose it, or on those kept for the end."""
        limit = self.time_limit if self.time_limit and self.time_limit.stopped_in else None  # the test is for the end
        evaluate_best(self.trainer, self.model, self.datamodule, on_test=self.config.fit.final_test and limit is None)
        finish(self.trainer, self.model, self.datamodule, self.tracker)
        if limit is not None:
            say_time_is_over(limit, self.trainer, self.tracker.folder)

    def after_validate(self) -> None:
        """The results."""
        finish(self.trainer, self.model, self.datamodule, self.tracker)

    def after_test(self) -> None:
        """The results."""
        finish(self.trainer, self.model, self.datamodule, self.tracker)
