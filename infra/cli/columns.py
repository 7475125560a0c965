"""Columns as wide as what stands in them: nothing is cut off, whatever the terminal's width."""

from collections.abc import Iterator, Sequence
from typing import Final

_GAP: Final = "  "


def column_lines(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()
) -> Iterator[str]:
    """Yield the head and the rows, aligned.

    Args:
        right: Columns whose figures stand below each other from the right.
    """
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    for row in (head, *rows):
        cells = (
            text.rjust(width) if place in right else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield _GAP.join(cells).rstrip()
