"""Where a figure comes from: machine, versions, and what else was running."""

import argparse
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

_PACKAGES: Final = ("chalice", "SQLAlchemy", "pg8000", "psycopg", "uvicorn", "ministack")


def environment_lines() -> list[str]:
    """Return what belongs above every table of figures."""
    load = "average " + ", ".join(f"{value:.2f}" for value in os.getloadavg())
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return [
        f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}; load {load}",
        f"{platform.python_implementation()} {platform.python_version()} of {sys.base_prefix}, {versions}",
    ]


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def take_no_options(description: str | None) -> None:
    """Answer ``--help``, and refuse whatever else is typed behind a program that measures one thing."""
    argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
