"""Measure a checkpoint on the videos that were kept for the end."""

from gcvideo.commands.running.command_line import run


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo test``."""
    return run("test", arguments)
