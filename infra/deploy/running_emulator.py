"""Where the emulator that ``make cloud`` started says what it runs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def emulator_home(environment: Mapping[str, str]) -> Path:
    """Return the directory of the emulator's data: beside that of the local runtime."""
    return Path(environment.get("ORDERFLOW_HOME") or ".orderflow") / "cloud"


def running_database_url(environment: Mapping[str, str]) -> str | None:
    """Return the database beside the running emulator; None if there is none."""
    status = _status(environment)
    return str(status["database_url"]) if status else None


def running_credentials(environment: Mapping[str, str], endpoint: str) -> tuple[str, str] | None:
    """Return access key and secret that the emulator of ours at this endpoint takes;
    None if that is not ours.
    """
    status = _status(environment)
    if not status or status["endpoint"] != endpoint.rstrip("/"):
        return None
    return str(status["aws"]["AWS_ACCESS_KEY_ID"]), str(status["aws"]["AWS_SECRET_ACCESS_KEY"])


def _status(environment: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        status = json.loads((emulator_home(environment) / "status.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return dict(status)
