"""How the console's list bears 5,000 orders and 200 events a second, measured in the browser itself.

``python -m benchmarks.console``. The page and its policy are the real ones, and so is everything from the
frame's text on; the WebSocket is a stand-in within the page, so that the engine's own work on the same two
cores is not taken for the browser's. Every frame is timed, and every task over 50 ms is counted.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import click

from tests.browser.chromium import Chromium, Page, path_of_chromium
from tests.e2e.conftest import an_instance

FRAME_MS_MAX: Final = 50
ORDERS: Final = 5_000
EVENTS_PER_SECOND: Final = 200

_STAND_IN: Final = """
const ORDERS = %d, PER_SECOND = %d;
const id = (n) => '01a20000-0000-7000-8000-' + String(n).padStart(12, '0');
const at = new Date().toISOString();
const statuses = ['pending', 'routing', 'routed', 'building', 'submitted', 'confirmed'];
const event = (n, seq) => ({ type: 'order', orderId: id(n), clientOrderId: null, seq, attempt: 1, at,
    status: statuses[Math.min(seq, 6) - 1], orderType: 'market', inputToken: 'SOL', outputToken: 'USDC' });
window.frames_ms = []; window.long_ms = []; window.sent = 0;
new PerformanceObserver((list) => list.getEntries().forEach((each) => window.long_ms.push(each.duration)))
    .observe({ type: 'longtask' });
window.WebSocket = class extends EventTarget {
    static OPEN = 1;
    readyState = 1;
    constructor() { super(); setTimeout(() => { this.onopen(); this.bring(); }, 50); }
    send() {}
    close() {}
    bring() {
        const said = [];
        for (let n = 1; n <= ORDERS; n += 1) said.push(event(n, 1));
        for (let at = 0; at < said.length; at += 100) {
            this.onmessage({ data: JSON.stringify({ type: 'batch', frames: said.slice(at, at + 100) }) });
        }
        setTimeout(() => this.go(), 2000);
    }
    go() {
        let [n, last] = [0, performance.now()];
        window.long_ms.length = 0;
        const watch = (now) => {
            window.frames_ms.push(now - last);
            last = now;
            requestAnimationFrame(watch);
        };
        requestAnimationFrame((now) => { last = now; watch(now); });
        setInterval(() => {
            const frames = [];
            for (let each = 0; each < PER_SECOND / 20; each += 1, n += 1) {
                frames.push(event(ORDERS - (n %% ORDERS), 2 + Math.floor(n / ORDERS)));
            }
            window.sent += frames.length;
            this.onmessage({ data: JSON.stringify({ type: 'batch', frames }) });
        }, 50);
    }
};
const known = Array.from({ length: ORDERS }, (_, n) => ({ orderId: id(n + 1), clientOrderId: null, seq: 1,
    status: 'pending', attempt: 1, type: 'market', inputToken: 'SOL', outputToken: 'USDC',
    swapMode: 'exactIn', amount: '1.5', acceptedAt: at, updatedAt: at }));
const real = window.fetch;
window.fetch = (url, ...more) => (String(url).includes('/orders')
    ? Promise.resolve(new Response(JSON.stringify({ orders: known, nextCursor: null })))
    : real(url, ...more));
"""


def measured(page: Page, url: str, *, seconds: float) -> dict[str, Any]:
    """Return the frames' times while events come in, the long tasks, and what the page shows meanwhile."""
    page.call(
        "Page.addScriptToEvaluateOnNewDocument", source=f"{{ {_STAND_IN % (ORDERS, EVENTS_PER_SECOND)} }}"
    )
    page.open(url)
    page.until(f"window.sent >= {int(seconds * EVENTS_PER_SECOND)}", "so many events")
    # The page is scrolled through meanwhile, as a person does.
    page.run("document.querySelector('.grid-body').scrollTop = 60000")
    page.until(f"window.sent >= {int(1.5 * seconds * EVENTS_PER_SECOND)}", "more events")
    found: dict[str, Any] = page.run("""({
        frames: frames_ms.length, longest: Math.max(...frames_ms),
        late: frames_ms.filter((ms) => ms > 50).length, tasks: long_ms,
        rows: document.querySelectorAll('.grid-body .row').length,
        count: document.querySelector('.count').innerText })""")
    return found


@click.command()
@click.option("--seconds", default=8.0, show_default=True)
def main(seconds: float) -> None:
    """Measure, and exit with 1 if a frame took longer than it may."""
    path = path_of_chromium()
    if path is None:
        raise click.ClickException("no Chromium on this machine")
    with (
        tempfile.TemporaryDirectory(prefix="console-") as folder,
        an_instance(Path(folder) / "state") as instance,
    ):
        browser = Chromium(path, Path(folder) / "profile")
        try:
            with browser.page() as page:
                found = measured(page, f"{instance.rest_url}/console", seconds=seconds)
        finally:
            browser.close()
    print(f"{found['count']}, {found['rows']} rows drawn, {EVENTS_PER_SECOND} events/s")
    print(
        f"{found['frames']} frames, the longest took {found['longest']:.1f} ms; "
        f"{found['late']} over {FRAME_MS_MAX}"
    )
    print(f"tasks over 50 ms: {[round(each) for each in found['tasks']]}")
    sys.exit(1 if found["longest"] > FRAME_MS_MAX else 0)


if __name__ == "__main__":
    main()
