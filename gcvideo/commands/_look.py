"""What a config would train, built for commands that look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lightning.pytorch.cli import LightningCLI

from gcvideo.commands._configs import with_found_configs
from gcvideo.commands.running.command_line import hush_lightning, run_cli
from gcvideo.commands.running.options import import_all_parts


def build_to_look(configs: Sequence[str], options: Sequence[str], fixed: Mapping[str, object]) -> LightningCLI:
    """What ``gcvideo fit`` would build, its data read in this process; for commands that look and do not train.

    Args:
        configs: as for ``--config``; the later ones change the earlier ones.
        options: of ``gcvideo fit``; they go before ``fixed``.
        fixed: of the trainer, whatever the configs say.
    """
    hush_lightning()
    import_all_parts()
    one = {"devices": 1, "num_nodes": 1, "strategy": "auto", "logger": "false", **fixed}
    own = [f"--config={config}" for config in configs] + [f"--trainer.{key}={value}" for key, value in one.items()]
    cli = run_cli("fit", *with_found_configs([*own, *options]), only_build=True)
    cli.datamodule.num_workers = 0
    return cli
