"""What ``gcvideo fit --help`` and its sisters teach before they list the options."""

from __future__ import annotations

import argparse

from jsonargparse import DefaultHelpFormatter

from gcvideo.commands._configs import config_families

# What Lightning says of these options is of another program: of its own loggers, folders and registries.
_HERE = {
    "ckpt_path": "A checkpoint of a run: a file, or last or best, which are those of --run_dir. fit goes on from it; "
    "validate and test measure it. (default: null)",
    "seed_everything": "The seed of everything that is drawn: a number from 0 to 4294967295. (default: 0)",
    "trainer.logger": "null or true: a W&B run in the run folder, online where an API key is configured (WANDB_MODE "
    "changes that). false: none. Or loggers of Lightning's, by their class_path, in its place. metrics.jsonl is "
    "written in any case. (default: null)",
    "trainer.enable_checkpointing": "false: neither last.ckpt nor best.ckpt is kept. (default: null, as true)",
}


class HelpFormatter(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the lines of the examples, and says of some options what they do here."""

    def _expand_help(self, action: argparse.Action) -> str:
        return _HERE.get(action.dest) or super()._expand_help(action)


def teach(command: str) -> str:
    """Examples of a command, how to see more options, and the shipped configs."""
    measure = {
        f"gcvideo {command} --ckpt_path RUN/best.ckpt": "on the run's own videos; no config is needed",
        f"gcvideo {command} --ckpt_path RUN/best.ckpt --data.root VIDEOS": "on others, with the same classes",
    }
    examples = {
        "gcvideo fit --config folder --data.root MY_VIDEOS": "train on a folder with a folder per class",
        "gcvideo fit --config RUN/config.yaml --run_dir RUN --ckpt_path last": "continue a run",
        "gcvideo fit --config NAME --data.root MY_VIDEOS --plan": "what it would do, its memory and hours; then end",
    }
    rows = {
        **(examples if command == "fit" else measure),
        f"gcvideo {command} --config NAME --print_config": "every key with its value",
        f"gcvideo {command} --data.help VideoFolder": "the options of a kind of data",
        f"gcvideo {command} --model.backbone.help SlowOnly": "the options of a backbone",
    }
    width = max(map(len, rows))
    lines = [f"  {example:<{width}}  {meaning}" for example, meaning in rows.items()]
    return "\n".join(
        ["examples:", *lines, f"shipped configs: {config_families()}; gcvideo models lists the published ones"]
    )
