"""Train on videos by a config: gcvideo fit --config folder --data.root MY_VIDEOS."""

from gcvideo.commands.running.command_line import run


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo fit``."""
    return run("fit", arguments)
