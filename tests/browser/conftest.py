"""A browser and the engine, for all tests of the console."""

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, Protocol

import httpx
import pytest

from infra.cli.token import make_token
from tests.browser.chromium import TIME_LIMIT_S, Chromium, Page, path_of_chromium
from tests.e2e.conftest import an_instance, tracebacks
from tests.e2e.trader import FINAL
from tests.security.tokens import SECRET
from tests.support.instance import Instance

LATENCIES: Final = {"QUOTE_LATENCY_MS": "20", "SETTLEMENT_LATENCY_MS": "60", "METRICS": "1"}
AXE: Final = Path(__file__).parent / "axe" / "axe.min.js"
_RULES: Final = "{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }"
_BROKEN: Final = """(rules) => axe.run(document, rules).then((found) => found.violations.map((each) =>
    each.id + ': ' + each.nodes.map((node) => node.html.slice(0, 150)).slice(0, 3).join(' | ')))"""


@pytest.fixture(scope="package")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    path = path_of_chromium()
    if path is None:
        assert not os.environ.get("CI"), ".ci/run installs Chromium, and it is not there"
        pytest.skip("no Chromium on this machine: the console is tested in a real one (Debian: chromium)")
    browser = Chromium(path, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The engine as it runs on a laptop: without tokens."""
    with an_instance(tmp_path_factory.mktemp("console") / "state", environment=LATENCIES) as instance:
        yield instance
    assert tracebacks(instance) == []


@pytest.fixture(scope="package")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The engine as it is deployed: with tokens."""
    environment = LATENCIES | {"AUTH_MODE": "jwt", "JWT_SECRET": SECRET}
    with an_instance(tmp_path_factory.mktemp("secured") / "state", environment=environment) as instance:
        yield instance


def a_token(scope: str | None = None, account: str = "alice") -> str:
    return make_token(
        SECRET, account_id=account, ttl_s=600, issuer="orderflow-local", audience="orderflow", scope=scope
    )


def sign_in(page: Page, token: str) -> None:
    page.fill("input[name=token]", token)
    page.click(".sign-in button.main")


# An answer with all of its body, so that what the page does with it waits for the network no more.
WHOLE: Final = """
window.whole = async (answer) => {
    const body = await answer.arrayBuffer();
    const { status, headers } = answer;
    return new Response([204, 205, 304].includes(status) ? null : body, { status, headers });
};
"""
# Longer in the page's own loop than what it does with answers that it has whole: ten such answers, one after
# the other; then the list, which is drawn 100 ms after what changed it; then frames.
_DONE: Final = """(async () => {
    for (let n = 0; n < 10; n += 1) await new Response('{}').text();
    await new Promise((pass) => setTimeout(pass, 200));
    for (let n = 0; n < 3; n += 1) await new Promise(requestAnimationFrame);
})()"""


def done_with_answers(page: Page) -> None:
    """Return once the page has done all that it does with the answers that it has whole."""
    page.run(_DONE)


# What the browser says of an order that the record does not have.
_NO_ORDER: Final = re.compile(r"status of 404 .*(/orders/[0-9a-f-]{36})(?:/events\?afterSeq=\d+)?$")
_ON_RECORD_WITHIN_S: Final = 120


def _was_early(complaint: str, instance: Instance) -> bool:
    """Return whether it is of an order that was accepted, and that a busy machine put on record later."""
    found = _NO_ORDER.search(complaint)
    if found is None:
        return False
    deadline = monotonic() + _ON_RECORD_WITHIN_S
    while not (is_there := httpx.get(f"{instance.rest_url}{found[1]}").is_success) and monotonic() < deadline:
        sleep(0.1)
    return is_there


class OpenPage(Protocol):
    def __call__(self, path: str = "", **options: Any) -> AbstractContextManager[Page]: ...


@pytest.fixture
def console(chromium: Chromium, instance: Instance) -> OpenPage:
    """A function that opens the console; on exit it has complained of nothing and asked no other origin."""
    return lambda path="", **options: opened(chromium, instance, path, **options)


@contextmanager
def opened(
    chromium: Chromium,
    instance: Instance,
    path: str = "",
    *,
    before: str = "",
    is_refused: bool = False,
    **options: Any,
) -> Iterator[Page]:
    with chromium.page(**options) as page:
        if before:
            page.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        page.open(f"{instance.rest_url}/console{path}")
        page.shown("main")
        yield page
        page.run("null")  # what was said meanwhile is read with the answer
        # The browser itself lists what was refused.
        if not is_refused:
            assert next((each for each in page.complaints if not _was_early(each, instance)), None) is None
        own = re.compile(rf"(http|ws)://127\.0\.0\.1:{instance.port}/")
        assert [url for url in page.requested if not own.match(url)] == []


@pytest.fixture(scope="package")
def rest(instance: Instance) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=instance.rest_url, timeout=TIME_LIMIT_S) as client:
        yield client


def submit(rest: httpx.Client, **fields: Any) -> str:
    answer = rest.post("/orders", json=fields or {"side": "sell", "amount": "1.5"})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["orderId"])


def recorded(rest: httpx.Client, order_id: object, *, status: str | None = None) -> dict[str, Any]:
    """Wait until an order that was accepted is on record, and until it has the status."""
    while True:
        answer = rest.get(f"/orders/{order_id}")
        assert answer.status_code in {200, 404}, answer.text
        order: dict[str, Any] = answer.json()
        if answer.is_success and status in {None, order["status"]}:
            return order
        assert order.get("status") not in FINAL, order


def broken_rules(page: Page) -> list[str]:
    """Return the accessibility rules that the page breaks as it stands, with the elements that do."""
    if not page.run("typeof axe === 'object'"):
        page.run(f"{AXE.read_text(encoding='utf-8')}; null")
    found: list[str] = page.run(f"({_BROKEN})({_RULES})")
    return found
