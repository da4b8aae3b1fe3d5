"""What ``gcvideo fit --help`` and its sisters teach before they list the options."""

from __future__ import annotations

import argparse

from jsonargparse import DefaultHelpFormatter

from gcvideo.commands._configs import config_families


class HelpFormatter(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the lines of the examples."""


def teach(command: str) -> str:
    """Examples of a command, how to see more options, and the shipped configs."""
    measure = f"gcvideo {command} --config RUN/config.yaml --ckpt_path RUN/best.ckpt"
    examples = {
        "gcvideo fit --config folder --data.root MY_VIDEOS": "train on a folder with a folder per class",
        "gcvideo fit --config RUN/config.yaml --run_dir RUN --ckpt_path last": "continue a run",
        "gcvideo fit --config NAME --data.root MY_VIDEOS --plan": "what it would do, its memory and hours; then end",
    }
    rows = {
        **(examples if command == "fit" else {measure: "with the config of the checkpoint's run"}),
        f"gcvideo {command} --config NAME --print_config": "every key with its value",
        f"gcvideo {command} --data.help VideoFolder": "the options of a kind of data",
        f"gcvideo {command} --model.backbone.help SlowOnly": "the options of a backbone",
    }
    width = max(map(len, rows))
    lines = [f"  {example:<{width}}  {meaning}" for example, meaning in rows.items()]
    return "\n".join(
        ["examples:", *lines, f"shipped configs: {config_families()}; gcvideo models lists the published ones"]
    )
