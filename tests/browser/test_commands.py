"""What a trader does to orders that are there: to those that are meant, and told of as it went."""

import json
from uuid import uuid4

import httpx
import pytest

from tests.browser.chromium import Page
from tests.browser.conftest import OpenPage, recorded, submit

# A page whose commands the server answers as `window.answers` says, one after the other; then by itself.
ANSWERED = """
const real = window.fetch;
window.answers = []; window.asked = [];
window.fetch = async (url, options = {}, ...more) => {
    const method = options.method ?? 'GET';
    if (method !== 'GET') window.asked.push([method, String(url).split('/api')[1], options.body ?? null]);
    if (!window.answers.length || !['DELETE', 'PATCH'].includes(method)) return real(url, options, ...more);
    const [status, body] = window.answers.shift();
    return new Response(JSON.stringify(body), { status });
};
// What the page says is gone after six seconds, which a busy machine may take to look: here it stays.
const wait = window.setTimeout;
window.setTimeout = (run, ms, ...more) => (ms === 6000 ? 0 : wait(run, ms, ...more));
"""
_NOTES = "[...document.querySelectorAll('.note')].map((each) => each.innerText)"
SENT = {"code": "ORDER_ALREADY_SENT", "message": "it may land"}


@pytest.mark.parametrize("query", ["q={}", "status=open&pair=BONK%2FUSDC", "status=open&q={}"])
def test_orders_that_a_filter_shows_are_canceled_and_no_others(
    console: OpenPage, rest: httpx.Client, query: str
) -> None:
    pair = {"baseAsset": "BONK", "quoteAsset": "USDC"}
    key = uuid4().hex
    shown = [resting(rest, clientOrderId=f"{key}-{n}", **pair) for n in range(3)]
    other = resting(rest)
    with console(f"#/orders?{query.format(key)}", before=ANSWERED) as page:
        page.until("document.querySelectorAll('.grid-body .row').length === 3", "those that fit")
        page.click(".filters button.danger")
        page.shown("dialog[open]")
        assert "3 of the orders shown are canceled" in page.text("dialog")
        page.click("dialog button.main")
        assert notes(page) == ["3 canceled"]
        assert sorted(page.run("asked")) == sorted(["DELETE", f"/orders/{each}", None] for each in shown)
    assert {status(rest, each) for each in shown} == {"canceled"}
    assert status(rest, other) == "open"
    rest.delete(f"/orders/{other}")


def test_orders_that_could_not_be_canceled_with_the_others_are_counted(
    console: OpenPage, rest: httpx.Client
) -> None:
    key = uuid4().hex
    ids = [resting(rest, clientOrderId=f"{key}-{n}") for n in range(6)]
    with console(f"#/orders?status=open&q={key}", before=ANSWERED) as page:
        page.until("document.querySelectorAll('.grid-body .row').length === 6", "those that fit")
        page.run(f"answers = [[409, {json.dumps(SENT)}], [503, {{}}]]; null")
        page.click(".filters button.danger")
        page.click("dialog button.main")
        assert notes(page) == ["4 canceled, 2 could not be"]
        page.until("document.querySelectorAll('.grid-body .row').length === 2", "what is left")
    assert sorted(status(rest, each) for each in ids) == ["canceled"] * 4 + ["open"] * 2
    rest.delete("/orders", params={"types": "limit"})


def test_filter_that_shows_nothing_to_cancel_asks_nothing(console: OpenPage, rest: httpx.Client) -> None:
    order_id = resting(rest)
    rest.delete(f"/orders/{order_id}")
    with console(f"#/orders?q={order_id}", before=ANSWERED) as page:
        page.until("document.querySelectorAll('.grid-body .row').length === 1", "the order")
        page.click(".filters button.danger")
        assert notes(page) == ["None of the orders shown can be canceled."]
        assert page.run("[document.querySelector('dialog[open]'), asked]") == [None, []]


def test_pair_and_type_that_are_shown_are_canceled_in_one_request_until_none_is_left(
    console: OpenPage,
) -> None:
    with console("#/orders?pair=JUP%2FUSDC&type=limit", before=ANSWERED) as page:
        page.run("""answers = [[200, { canceled: 30, alreadySent: [], more: true }],
            [200, { canceled: 2, alreadySent: ['x'], more: false }]]; null""")
        cancel_all(page)
        assert notes(page) == ["32 canceled, 1 were sent already"]
        request = ["DELETE", "/orders?baseAsset=JUP&quoteAsset=USDC&types=limit", None]
        assert page.run("asked") == [request, request]


def test_orders_canceled_before_a_failure_are_told_with_it(console: OpenPage) -> None:
    with console("#/orders?type=sniper", before=ANSWERED, is_refused=True) as page:
        page.run("""answers = [[200, { canceled: 30, alreadySent: [], more: true }],
            [503, { code: 'SERVICE_UNAVAILABLE', message: 'a moment' }]]; null""")
        cancel_all(page)
        assert notes(page) == ["30 are canceled; then: a moment"]


@pytest.mark.parametrize("by", ["button", "key"])
def test_order_that_is_chosen_is_the_one_that_is_canceled_although_newer_ones_came_above_it(
    console: OpenPage, rest: httpx.Client, by: str
) -> None:
    key = uuid4().hex
    meant, *others = [resting(rest, clientOrderId=f"{key}-{n}") for n in range(3)]
    with console(f"#/orders?status=open&q={key}", before=ANSWERED) as page:
        page.until("document.querySelectorAll('.grid-body .row').length === 3", "three at rest")
        page.run("document.querySelector('.grid-body').focus()")
        page.press("Home")
        page.press("ArrowDown")
        page.press("ArrowDown")
        page.until(f"document.querySelector('.row.chosen')?.id === 'row-{meant}'", "the choice")
        others.append(resting(rest, clientOrderId=f"{key}-3"))
        page.until("document.querySelectorAll('.grid-body .row').length === 4", "a newer one")
        assert page.run("document.querySelector('.row.chosen').id") == f"row-{meant}"
        if by == "key":
            page.press("Delete")
        else:
            page.click(".row.chosen button", text="Cancel")
        page.until(f"document.getElementById('row-{meant}') === null", "no open order")
        assert page.run("asked") == [["DELETE", f"/orders/{meant}", None]]
        # What is chosen is gone from the list: the key is for no other.
        page.press("Delete")
        page.run("new Promise(requestAnimationFrame)")
        assert page.run("asked.length") == 1
    assert {status(rest, each) for each in others} == {"open"}
    rest.delete("/orders", params={"types": "limit"})


def test_amendment_changes_only_what_was_typed_over(console: OpenPage, rest: httpx.Client) -> None:
    trigger = {"price": "40", "when": "below"}
    order_id = submit(rest, type="limit", side="sell", amount="2", limitPrice="39", trigger=trigger)
    recorded(rest, order_id, status="open")
    with console(f"#/order/{order_id}", before=ANSWERED) as page:
        page.until("document.querySelector('main .status')?.innerText === 'open'", "the order at rest")
        page.click("main button", text="Amend")
        page.shown("dialog[open] input[name=triggerPrice]")
        fields = "[...document.querySelectorAll('dialog input')].map((each) => [each.name, each.value])"
        assert page.run(fields) == [["limitPrice", "39"], ["triggerPrice", "40"], ["amount", "2"]]
        page.fill("dialog input[name=triggerPrice]", " 41 ")
        page.fill("dialog input[name=limitPrice]", "")
        page.click("dialog button.main")
        assert len(notes(page)) == 1
        ((method, path, body),) = page.run("asked")
        assert (method, path, json.loads(body)) == (
            "PATCH", f"/orders/{order_id}", {"ifSeq": 2, "triggerPrice": "41"},
        )  # fmt: skip
        page.until("document.querySelector('.facts').innerText.includes('below 41')", "its new trigger")
        # Nothing typed over, or left: nothing is asked.
        for button in ("Amend", "Leave it"):
            page.click("main button", text="Amend")
            page.click("dialog[open] button", text=button)
            page.until("document.querySelector('dialog[open]') === null", "no question")
        assert page.run("asked.length") == 1
    rest.delete(f"/orders/{order_id}")


def test_amendment_of_an_order_that_changed_while_its_form_was_open_is_refused(
    console: OpenPage, rest: httpx.Client
) -> None:
    order_id = resting(rest)
    with console(f"#/orders?q={order_id}", before=ANSWERED, is_refused=True) as page:
        page.until("document.querySelector('.row .status')?.innerText === 'open'", "the order at rest")
        page.click(".row button", text="Amend")
        page.shown("dialog[open] input[name=amount]")
        assert rest.patch(f"/orders/{order_id}", json={"limitPrice": "9500"}).is_success
        page.until("document.querySelector('.row .bound').innerText === '9500'", "what another client did")
        page.fill("dialog input[name=amount]", "3")
        page.click("dialog button.main")
        assert len(notes(page)) == 1
        assert json.loads(page.run("asked[0][2]"))["ifSeq"] == 2
    order = rest.get(f"/orders/{order_id}").json()
    assert (order["amount"], order["limitPrice"]) == ("1", "9500")
    rest.delete(f"/orders/{order_id}")


def cancel_all(page: Page) -> None:
    page.click(".filters button.danger")
    page.click("dialog[open] button.main")


def notes(page: Page) -> list[str]:
    """Wait until the page says something, and return it."""
    found: list[str] = page.until(f"{_NOTES}.length > 0 && {_NOTES}", "what became of it")
    return found


def resting(rest: httpx.Client, **fields: str) -> str:
    order_id = submit(rest, type="limit", side="sell", amount="1", limitPrice="9000", **fields)
    recorded(rest, order_id, status="open")
    return order_id


def status(rest: httpx.Client, order_id: str) -> str:
    return str(rest.get(f"/orders/{order_id}").json()["status"])
