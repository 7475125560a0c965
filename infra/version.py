"""The project's one version, which ``pyproject.toml`` states."""

import tomllib
from pathlib import Path
from typing import Final

_PYPROJECT: Final = Path(__file__).parents[1] / "pyproject.toml"

VERSION: Final[str] = tomllib.loads(_PYPROJECT.read_text("utf-8"))["project"]["version"]
