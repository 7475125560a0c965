"""``python -m tests.fuzz --frames 100000 --url ws://127.0.0.1:3000/ws``: attack a running instance.

Prints what it answered, and what its processes held before and after; fails if anything broke.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from tests.fuzz.attack import Findings, attack

_ROUNDS = 4


@click.command()
@click.option("--url", default="ws://127.0.0.1:3000/ws", show_default=True)
@click.option("--frames", default=100_000, show_default=True)
@click.option("--connections", default=8, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--token", help="Bearer token, with AUTH_MODE=jwt.")
@click.option("--state-dir", type=click.Path(path_type=Path), default=Path(".orderflow"), show_default=True)
def main(url: str, frames: int, connections: int, seed: int, token: str | None, state_dir: Path) -> None:
    """Send hostile frames in rounds; memory must have settled after the first."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    faults: list[str] = []
    print(f"{'round':>5} {'sent':>8} {'s':>6} {'processes':>9} {'MiB':>6}  answers")
    print(f"{0:>5} {0:>8} {0:>6} {_processes(state_dir)}")
    for number in range(1, _ROUNDS + 1):
        began = time.monotonic()
        findings = asyncio.run(
            attack(
                url,
                frames=frames // _ROUNDS,
                seed=seed * 100 + number,
                connections=connections,
                headers=headers,
            )
        )
        took = time.monotonic() - began
        print(f"{number:>5} {findings.sent:>8} {took:>6.0f} {_processes(state_dir)}  {_summary(findings)}")
        faults += findings.faults
    for fault in faults[:20]:
        print(f"FAULT {fault[:500]}")
    sys.exit(1 if faults else 0)


def _summary(findings: Findings) -> str:
    answers = ", ".join(f"{kind} {count}" for kind, count in findings.answers.most_common())
    return f"{answers}; handshakes {dict(sorted(findings.handshakes.items()))}"


def _processes(state_dir: Path) -> str:
    """Return how many processes the instance has, and how much memory they hold together."""
    try:
        status = json.loads((state_dir / "status.json").read_text())
    except OSError:
        return f"{'?':>9} {'?':>6}"
    pids = {status["pid"], *_numbers(status["pids"])}
    held = [_resident_mib(pid) for pid in pids]
    return f"{sum(mib > 0 for mib in held):>9} {sum(held):>6.0f}"


def _numbers(value: Any) -> list[int]:
    if isinstance(value, dict):
        return _numbers(list(value.values()))
    if isinstance(value, list):
        return [number for each in value for number in _numbers(each)]
    return [value] if isinstance(value, int) else []


def _resident_mib(pid: int) -> float:
    """Return a process's share of memory (pages shared with others count in part); 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (OSError, ProcessLookupError):
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
