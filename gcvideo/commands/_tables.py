"""Tables that align."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Lines of a table; the first ``left`` columns stand left, the others right.

    Args:
        header: one word for each column.
        rows: of as many cells; none may be empty.
        left: number of columns that are text.
    """
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            f"{cell:<{width}}" if column < left else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def dimensions(shape: Sequence[int]) -> str:
    """``64 x 8 x 56 x 56``."""
    return " x ".join(map(str, shape))
