"""All tests. What they and the programs that they start import is compiled once, and read from there."""

import os
import sys
from pathlib import Path

if sys.dont_write_bytecode:
    # Every process of a run collects every test, and would compile it, assertions and all, each time anew; so
    # would each program that a test starts, with all that it imports. Said before anything is imported here:
    # pytest compiles the whole of Hypothesis, whose plugin it is, and takes a second for it.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
