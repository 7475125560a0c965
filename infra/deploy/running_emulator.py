"""Where the emulator that ``make cloud`` started says what it runs."""

import json
from collections.abc import Mapping
from pathlib import Path


def emulator_home(environment: Mapping[str, str]) -> Path:
    """Return the directory of the emulator's data: beside that of the local runtime."""
    return Path(environment.get("ORDERFLOW_HOME") or ".orderflow") / "cloud"


def running_database_url(environment: Mapping[str, str]) -> str | None:
    """Return the database beside the running emulator; None if there is none."""
    try:
        status = json.loads((emulator_home(environment) / "status.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return str(status["database_url"])
