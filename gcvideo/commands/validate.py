"""Measure a checkpoint on the videos that choose the best one."""

from gcvideo.commands.running.command_line import run


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo validate``."""
    return run("validate", arguments)
