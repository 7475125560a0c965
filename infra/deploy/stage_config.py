"""What a stage's part of ``.chalice/config.json`` says."""

import json
from collections.abc import Mapping
from pathlib import Path

from chalicelib.config import ConfigurationError


def own_variables(app_dir: Path, stage: str) -> Mapping[str, str]:
    """Return what the file gives the stage's functions as environment variables.

    Raises:
        ConfigurationError: There is no such file, it is no JSON, or a variable is no text: Lambda takes none.
    """
    path = app_dir / ".chalice" / "config.json"
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    own: Mapping[str, str] = there.get("stages", {}).get(stage, {}).get("environment_variables", {})
    if others := [name for name, value in own.items() if not isinstance(value, str)]:
        raise ConfigurationError(f"{path}: put the values of stage {stage} into quotes: {', '.join(others)}")
    return own
