from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gcvideo.data.annotations import Annotations, SourceOptions, read_annotations

Touch = Callable[..., Path]
Write = Callable[[str, str | bytes], Path]
Read = Callable[..., Annotations]


@pytest.fixture
def touch(tmp_path: Path) -> Touch:
    """Makes empty files below the test's folder; no format opens a video."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a list below the test's folder, with the line ends and bytes as they are given."""

    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


@pytest.fixture
def read() -> Read:
    """Reads sources with the options that are given."""

    def go(*sources: Path, format_name: str = "auto", **options: object) -> Annotations:
        return read_annotations(sources, SourceOptions(**options), format_name)  # type: ignore[arg-type]

    return go
