"""``python -m tests.soak --minutes 10``: a week of hardly any work, on a clock that leaps over the waits."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.soak.plan import Plan
from tests.soak.run import soak

_REPOSITORY: Final = Path(__file__).parents[2]
_DAY_S: Final = 86_400


def main() -> int:
    """Run once; exit with 1 if anything failed or grew, or if the time did not suffice."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="real time at most")
    parser.add_argument("--days", type=float, default=7.0, help="on the runtime's clock")
    parser.add_argument(
        "--app", type=Path, default=_REPOSITORY / "chalice_app", help="Chalice project to soak"
    )
    given = parser.parse_args()
    # The market's own clock does not leap.
    os.environ |= {"QUOTE_LATENCY_MS": "0", "SETTLEMENT_LATENCY_MS": "0"}
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    app_dir = given.app.resolve()
    plan = Plan(app_dir, given.days * _DAY_S, given.minutes * 60, app_dir == _REPOSITORY / "chalice_app")
    with tempfile.TemporaryDirectory(prefix="orderflow-soak-") as folder:
        report = soak(plan, Path(folder) / "state", say)
    days = report.simulated_s / _DAY_S
    if days < given.days:
        report.problems.append(f"{given.minutes:g} minutes sufficed for {days:.2f} days only")
    for problem in report.problems:
        say(f"BROKEN: {problem}")
    done = report.done
    say(
        f"{days:.2f} days: {report.invocations} invocations, {done.pings} pings, {done.orders} orders, "
        f"{done.connections} connections, {report.reloads} reloads, {len(report.problems)} problems"
    )
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
