"""Orders that change without a pause, while a page that lists them all loses its connection."""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count
from typing import Any, Final, Self

import httpx

from tests.browser.chromium import TIME_LIMIT_S, Page

FINAL: Final = frozenset({"confirmed", "failed", "canceled", "expired"})
LIMIT_PRICE: Final = 1_000
EVENTS_PER_STEP: Final = 49
_AT_ONCE: Final = 3
_TOGETHER: Final = 20

WATCHED: Final = """
window.links = []; window.cuts = 0; window.cutAfter = []; window.frames_ms = [];
window.watchFrames = () => {
    let last = performance.now();
    const watch = (now) => {
        window.frames_ms.push(now - last);
        last = now;
        requestAnimationFrame(watch);
    };
    requestAnimationFrame((now) => { last = now; watch(now); });
};
window.WebSocket = class extends WebSocket {
    constructor(...words) {
        super(...words);
        window.links.push(this);
        let heard = 0;
        this.addEventListener('message', () => {
            heard += 1;
            if (!window.cutAfter.length || heard < window.cutAfter[0]) return;
            window.cutAfter.shift();
            window.cuts += 1;
            this.close();
        });
    }
};
"""
"""Before the page's own script: counts its frames' times, and cuts a connection after so many messages."""

_CAUGHT_UP: Final = "!document.querySelector('.count').innerText.includes('catching')"
_READ_OLDER: Final = """(async () => {
    const buttons = [...document.querySelectorAll('.filters button')];
    const older = buttons.find((each) => each.innerText === 'Older');
    while (!older.disabled) {
        older.click();
        await new Promise((done) => setTimeout(done, 20));
    }
})()"""

_ROWS: Final = """new Promise(async (done) => {
    const body = document.querySelector('.grid-body');
    const frame = () => new Promise(requestAnimationFrame);
    const found = [];
    const settled = async () => { for (let n = 0; n < 3; n += 1) await frame(); };
    for (body.scrollTop = 0; ; body.scrollTop += body.clientHeight - 100) {
        await settled();
        for (const row of document.querySelectorAll('.grid-body .row')) {
            found.push([Number(row.getAttribute('aria-rowindex')), row.id.slice(4),
                row.querySelector('.status').innerText, row.querySelector('.bound').innerText]);
        }
        if (body.scrollTop + body.clientHeight >= body.scrollHeight - 1) break;
    }
    done(found);
})"""


def resting_orders(rest: httpx.Client, number: int) -> list[str]:
    """Put so many orders to rest that no price here meets; return their ids, oldest first, once they do."""
    ids: list[str] = []
    order = {"type": "limit", "side": "sell", "amount": "1", "limitPrice": str(LIMIT_PRICE)}
    for first in range(0, number, _TOGETHER):
        answer = rest.post("/orders/batch", json={"orders": [order] * min(_TOGETHER, number - first)})
        ids += [each["orderId"] for each in answer.json()["results"]]
    settled(rest, accepted=ids)
    return ids


def on_record(rest: httpx.Client, status: str = "") -> list[Mapping[str, Any]]:
    """Return the account's orders, newest first."""
    found: list[Mapping[str, Any]] = []
    query = {"limit": "100"} | ({"status": status} if status else {})
    while True:
        page = rest.get("/orders", params=query).json()
        found += page["orders"]
        if page["nextCursor"] is None:
            return found
        query |= {"cursor": page["nextCursor"]}


def settled(rest: httpx.Client, *, accepted: Collection[str]) -> dict[str, tuple[str, str]]:
    """Wait until these orders are on record and none is under way; return the status and limit of each."""
    wanted = set(accepted)
    while True:
        orders = [each for each in on_record(rest) if each["orderId"] in wanted]
        found = {each["orderId"]: (each["status"], each.get("limitPrice", "–")) for each in orders}
        if found.keys() == wanted and {status for status, _ in found.values()} <= {*FINAL, "open"}:
            return found


def rows_drawn(page: Page, expected: Callable[[], Mapping[str, tuple[str, str]]]) -> int:
    """Scroll through the whole list until it shows some orders, each once, as is expected by then.

    Return how many. Rows of other orders are not looked at.

    Raises:
        AssertionError: It does not come to that.
    """
    until = time.monotonic() + TIME_LIMIT_S
    while True:
        drawn = {place: row for place, *row in page.run(_ROWS)}
        recorded = expected()
        rows = [row for row in drawn.values() if row[0] in recorded]
        shown = {order_id: (status, bound) for order_id, status, bound in rows}
        if shown == recorded and len(rows) == len(shown):
            return len(rows)
        differing = [(each, shown.get(each), recorded.get(each)) for each in {*shown, *recorded}]
        wrong = [each for each in differing if each[1] != each[2]]
        doubled = len(rows) - len(shown)
        assert time.monotonic() < until, f"{len(wrong)} rows differ: {wrong[:5]}; {doubled} are there twice"


def show_all(page: Page) -> None:
    """Wait until the list has been read, and read what is older than its first two hundred."""
    page.shown(".grid-body .row")
    page.until(_CAUGHT_UP, "caught up")
    page.run(_READ_OLDER)


def cut(page: Page, *, after_messages: int = 0, times: int = 1) -> None:
    """Cut the connection so often, then wait until the list says that it has caught up.

    Args:
        after_messages: Of each connection after the first cut, before it is cut too: in its replay.
    """
    page.run(f"cuts = 0; cutAfter = [{', '.join([str(after_messages)] * (times - 1))}]; links.at(-1).close()")
    page.until("links.at(-1).readyState === WebSocket.OPEN && !cutAfter.length", "the last connection")
    page.until(_CAUGHT_UP, "caught up")


class Changes:
    """Events of one account at a pace, until it is left: orders that execute, some amended, some canceled.

    Attributes:
        seconds: How long it took, once it is over.
        steps: What was done of it; ``EVENTS_PER_STEP`` each.
        accepted: The orders that were made for it.
    """

    def __init__(self, rest_url: str, resting: Sequence[str], *, per_second: int) -> None:
        self._url = rest_url
        self._every_s = _AT_ONCE * EVENTS_PER_STEP / per_second
        self._is_over = threading.Event()
        parts = [list(resting[n::_AT_ONCE]) for n in range(_AT_ONCE)]
        self._threads = [threading.Thread(target=self._run, args=(each,), daemon=True) for each in parts]
        self.seconds = 0.0
        self.steps = 0
        self.accepted: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        for each in self._threads:
            each.join()

    def _run(self, resting: list[str]) -> None:
        began = time.monotonic()
        with httpx.Client(base_url=self._url, timeout=TIME_LIMIT_S) as rest:
            for step in count():
                if self._is_over.wait(max(0.0, began + step * self._every_s - time.monotonic())):
                    break
                self._step(rest, resting, step)
                with self._lock:
                    self.steps += 1
        self.seconds = time.monotonic() - began

    def _step(self, rest: httpx.Client, resting: list[str], step: int) -> None:
        orders = [{"side": ("buy", "sell")[n % 2], "amount": "0.01"} for n in range(8)]
        answers = [rest.post("/orders/batch", json={"orders": orders})]
        self.accepted.update(each["orderId"] for each in answers[0].raise_for_status().json()["results"])
        # From both ends of the list: a connection that comes back is replayed the newest alone.
        place = step // 2 if step % 2 else -1 - step // 2
        order_id = resting[place % len(resting)]
        answers.append(rest.patch(f"/orders/{order_id}", json={"limitPrice": str(LIMIT_PRICE + 1 + step)}))
        if step % 5 >= 3 and len(resting) > 1:  # one is left to amend, however long it takes
            answers.append(rest.delete(f"/orders/{resting.pop(0 if step % 5 == 3 else -1)}"))
        for answer in answers:
            answer.raise_for_status()
