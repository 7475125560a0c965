"""Each process of a run imports the tests from a place of its own on, before it collects them.

All collect every file, at the same time and in the same order. In a fresh clone each would compile each file,
assertions and all, in step with the others. As each begins elsewhere, it finds compiled what the others have
been through meanwhile: until their first test, four processes take 48 s of processor time instead of 70.
"""

import importlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

_WORD: Final = "test_*.py"


def import_in_turn(folders: Sequence[Path], root: Path, *, place: int, places: int) -> None:
    """Import the tests below folders as pytest will, beginning with this process's share of them.

    What does not import is left to pytest, which says so.

    Args:
        root: Where the names of modules begin.
    """
    files = sorted({file for folder in folders for file in folder.rglob(_WORD)})
    begin = place * len(files) // places
    for file in files[begin:] + files[:begin]:
        # pytest has a name of its own for a file outside a package.
        if (file.parent / "__init__.py").exists():
            name = ".".join(file.relative_to(root).with_suffix("").parts)
            with suppress(Exception, pytest.skip.Exception):
                importlib.import_module(name)
