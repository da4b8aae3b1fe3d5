"""A bar that counts videos which several processes share."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import Any

from gcvideo.data.progress import counted_progress


class VideosBar(AbstractContextManager["VideosBar"]):
    """Counts down from a number of videos.

    Args:
        total: videos.
        what: they are called.
    """

    def __init__(self, total: int, what: str) -> None:
        self.left, self.what, self._stack = total, what, ExitStack()

    def __enter__(self) -> VideosBar:
        on_start, self._on_step = self._stack.enter_context(counted_progress(f"predicting {self.what}"))
        on_start(self.left)
        return self

    def __call__(self, count: int) -> None:
        """So many more are done, those of the other processes among them; these are taken to be as far."""
        for _ in range(min(count, self.left)):
            self._on_step()
        self.left -= min(count, self.left)

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)
