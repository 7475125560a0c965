"""How the console's list bears 5,000 orders, 200 events a second and lost connections, seen in the browser.

``python -m benchmarks.console``. All of it is real: the engine, its WebSocket, and a Chromium that draws. The
connection is cut over and over, also in the middle of what it is replayed; afterwards every order has to have
one row, with its last status. Every frame is timed. The engine gives way to the browser, as on a machine of
its own; where they share two cores a frame may still wait for one, so what the page itself takes is told
beside it: the processor time of its longest tasks.
"""

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
import httpx

from benchmarks.instance import running_instance
from tests.browser.changes import (
    EVENTS_PER_STEP,
    WATCHED,
    Changes,
    cut,
    resting_orders,
    rows_drawn,
    settled,
    show_all,
)
from tests.browser.chromium import Chromium, Page, path_of_chromium

FRAME_MS_MAX: Final = 50
_ENGINE_NICENESS: Final = 5
_FRAMES: Final = """({ frames: frames_ms.length, longest: Math.max(0, ...frames_ms),
    late: frames_ms.filter((ms) => ms > 50).length })"""


@click.command()
@click.option("--orders", default=5_000, show_default=True, help="That rest, and are on screen.")
@click.option("--events", default=200, show_default=True, help="A second.")
@click.option("--seconds", default=10.0, show_default=True, help="Without a cut.")
@click.option("--cuts", default=5, show_default=True, help="All but the first in the middle of a replay.")
def main(orders: int, events: int, seconds: float, cuts: int) -> None:
    """Measure, and exit with 1 if a row is wrong or the page's own work held up a frame for too long."""
    path = path_of_chromium()
    if path is None:
        raise click.ClickException("no Chromium on this machine")
    with (
        running_instance({}, niceness=_ENGINE_NICENESS) as instance,
        tempfile.TemporaryDirectory(prefix="console-") as folder,
        httpx.Client(base_url=f"http://127.0.0.1:{instance.port}/api", timeout=60) as rest,
    ):
        resting = resting_orders(rest, orders)
        browser = Chromium(path, Path(folder))
        try:
            with browser.page() as page:
                _beside_this(browser.pid)
                longest_ms = _measured(page, rest, resting, events=events, seconds=seconds, cuts=cuts)
        finally:
            browser.close()
    sys.exit(1 if longest_ms > FRAME_MS_MAX else 0)


def _beside_this(browser: int) -> None:
    """Give all of the browser this process's priority: it gives its pages one of its own, and they wait."""
    parents = {
        int(stat.parent.name): int(stat.read_text().rpartition(")")[2].split()[1])
        for stat in Path("/proc").glob("[0-9]*/stat")
    }
    family = {browser}
    while found := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= found
    for task in (task for pid in family for task in Path(f"/proc/{pid}/task").iterdir()):
        os.setpriority(os.PRIO_PROCESS, int(task.name), os.getpriority(os.PRIO_PROCESS, 0))


def _measured(
    page: Page, rest: httpx.Client, resting: list[str], *, events: int, seconds: float, cuts: int
) -> float:
    """Return the processor time of the longest task, in milliseconds."""
    page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCHED)
    page.open(f"{rest.base_url}console#/orders")
    show_all(page)
    print(f"{page.text('.count')} orders in the list")
    page.run("watchFrames()")
    page.trace()
    with Changes(str(rest.base_url), resting, per_second=events) as changes:
        time.sleep(seconds / 2)
        # The page is scrolled through meanwhile, as a person does.
        page.run("document.querySelector('.grid-body').scrollTop = 60000")
        time.sleep(seconds / 2)
        _tell("connected", page.run(_FRAMES))
        page.run("frames_ms.length = 0")
        began = time.monotonic()
        cut(page, after_messages=4, times=cuts)
        _tell(f"cut {cuts} times, caught up after {time.monotonic() - began:.1f} s", page.run(_FRAMES))
    tasks = page.tasks_ms()
    print(f"the page's longest tasks, processor time: {[round(each, 1) for each in tasks[:5]]} ms")
    print(f"{changes.steps * EVENTS_PER_STEP / changes.seconds:.0f} events/s")
    accepted = {*resting, *changes.accepted}
    rows = rows_drawn(page, lambda: settled(rest, accepted=accepted))
    print(f"{rows} rows, one for each order, as the record has it")
    return tasks[0]


def _tell(what: str, found: Mapping[str, Any]) -> None:
    print(
        f"{what}: {found['frames']} frames, the longest took {found['longest']:.1f} ms;"
        f" {found['late']} over {FRAME_MS_MAX}"
    )


if __name__ == "__main__":
    main()
