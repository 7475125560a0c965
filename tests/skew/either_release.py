"""The app of a skewed run: each execution environment is of one of two releases, drawn when it starts.

Copied as ``app.py`` into an app of its own. ``SKEW_OLDER`` and ``SKEW_THIS`` name the releases' folders,
``SKEW_CHOICE`` one with a file that says how many of a hundred environments are of the older one. What that
has no handler for, and what the runtime reads of the app, is of this tree.
"""

import os
import sys
from pathlib import Path
from random import randrange

_HANDLER = os.environ.get("_HANDLER", "").partition(".")[2]
_OLDER = Path(os.environ["SKEW_OLDER"], "chalice_app")
_PERCENT = int(Path(os.environ["SKEW_CHOICE"], "older_percent").read_text())


def _is_older() -> bool:
    has_it = _HANDLER == "app" or f"def {_HANDLER}(" in (_OLDER / "app.py").read_text()
    return bool(_HANDLER) and has_it and randrange(100) < _PERCENT


_app = _OLDER if _is_older() else Path(os.environ["SKEW_THIS"], "chalice_app")
sys.path.insert(0, str(_app))
if _HANDLER:
    print(f"{_HANDLER} is of {'the older release' if _app == _OLDER else 'this tree'}")
exec(compile((_app / "app.py").read_text(), str(_app / "app.py"), "exec"))  # noqa: S102  # one app of two
