"""The package's version, which its ``pyproject.toml`` reads as well."""

from typing import Final

VERSION: Final = "0.2.0"
