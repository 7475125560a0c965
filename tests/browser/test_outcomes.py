"""What becomes of an order that was sent: known or not, it is one order, and is told of as it is."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.browser.conftest import OpenPage, recorded

# A page whose first order is answered as `window.first` says, unless that is null, and in whose place nothing
# reaches the server; all bodies are kept.
FIRST_ANSWER = """
const real = window.fetch;
window.first = null; window.bodies = [];
window.fetch = async (url, options = {}, ...more) => {
    if (options.method !== 'POST' || !String(url).endsWith('/orders')) return real(url, options, ...more);
    window.bodies.push(JSON.parse(options.body));
    if (window.first === null) return real(url, options, ...more);
    const [status, body] = window.first;
    window.first = null;
    return new Response(body, { status });
};
"""
MAIN = "form.order button.main"
ALERT = "document.querySelector('form.order [role=alert]')?.innerText"


def sent(code: str, message: str) -> str:
    return json.dumps({"code": code, "message": message})


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, sent("OUTCOME_UNKNOWN", "not known"), "not known."),
        (503, sent("SERVICE_UNAVAILABLE", "a moment"), "a moment. Whether it was"),
        (500, sent("INTERNAL_ERROR", "a defect"), "a defect. Whether it was"),
        (504, '{"message": "Endpoint request timed out"}', "Endpoint request timed out. Whether"),
        (502, "<html>", "the server answered 502 and no JSON. Whether"),
        (202, "<html>", "the server answered 202 and no JSON."),
    ],
)  # fmt: skip
def test_order_of_unknown_outcome_is_offered_as_the_same_order_and_no_other_can_be_made_meanwhile(
    console: OpenPage, rest: httpx.Client, status: int, body: str, said: str
) -> None:
    with console("#/trade", before=FIRST_ANSWER) as page:
        page.fill("input[name=amount]", "0.31")
        page.run(f"first = {json.dumps([status, body])}; null")
        page.click(MAIN, text="Preview")
        page.click("dialog[open] button.main")
        page.until(f"{ALERT} !== undefined", "what is known")
        assert page.text("form.order [role=alert]").startswith(f"Sell 0.31 SOL for USDC. {said}")
        assert page.text(MAIN) == "Send again"
        page.fill("input[name=amount]", "31")
        page.press("Enter")
        page.click(MAIN, text="Send again")
        page.until("location.hash.startsWith('#/order/')", "the order's page")
        one, other = page.run("bodies")
        assert one == other
        order_id = page.run("location.hash").removeprefix("#/order/")
        page.run("location.hash = '#/trade'")
        page.shown("form.order")
        assert page.text(MAIN) == "Preview"
        assert page.run(f"{ALERT} === undefined")
    assert recorded(rest, order_id)["clientOrderId"] == one["clientOrderId"]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (422, sent("NO_ROUTE", "no route"), "no route"),
        (429, sent("RATE_LIMITED", "too many"), "too many"),
        (404, '{"message": "Not Found"}', "This server cannot do that yet."),
        (
            400,
            json.dumps({"code": "INVALID_REQUEST", "details": [{"field": "amount", "problem": "is odd"}]}),
            "amount is odd",
        ),
    ],
)
def test_order_that_was_refused_is_told_and_the_next_one_is_another(
    console: OpenPage, status: int, body: str, said: str
) -> None:
    with console("#/trade", before=FIRST_ANSWER) as page:
        page.fill("input[name=amount]", "0.32")
        page.run(f"first = {json.dumps([status, body])}; null")
        for _ in range(2):
            page.click(MAIN, text="Preview")
            page.click("dialog[open] button.main")
            page.until(f"{ALERT} !== undefined || location.hash.startsWith('#/order/')", "what became of it")
            if page.run("bodies.length") == 1:
                assert page.text("form.order [role=alert]").strip() == said
        page.until("location.hash.startsWith('#/order/')", "the order's page")
        ids = [each["clientOrderId"] for each in page.run("bodies")]
        assert len({*ids}) == 2


def test_question_that_is_answered_twice_and_asked_twice_makes_one_order(
    console: OpenPage, rest: httpx.Client
) -> None:
    with console("#/trade", before=FIRST_ANSWER) as page:
        amount = an_amount()
        page.fill("input[name=amount]", amount)
        page.run("""(() => {
            const form = document.querySelector('form.order');
            form.requestSubmit();
            form.requestSubmit();
        })()""")
        page.until("document.querySelector('dialog[open] button.main') !== null", "the question")
        page.run("""(() => {
            const send = document.querySelector('dialog button.main');
            send.click();
            send.click();
        })()""")
        page.until("location.hash.startsWith('#/order/')", "the order's page")
        assert page.run("bodies.length") == 1
        order_id = page.run("location.hash").removeprefix("#/order/")
    recorded(rest, order_id)
    assert amounts(rest).count(amount) == 1


def test_second_try_that_is_clicked_twice_makes_one_order(console: OpenPage, rest: httpx.Client) -> None:
    with console("#/trade", before=FIRST_ANSWER) as page:
        amount = an_amount()
        page.fill("input[name=amount]", amount)
        page.run("first = [504, '{}']; null")
        page.click(MAIN, text="Preview")
        page.click("dialog[open] button.main")
        page.until(f"document.querySelector('{MAIN}')?.innerText === 'Send again'", "an unknown outcome")
        page.run(
            f"(() => {{ const again = document.querySelector('{MAIN}'); again.click(); again.click(); }})()"
        )
        page.until("location.hash.startsWith('#/order/')", "the order's page")
        assert len({each["clientOrderId"] for each in page.run("bodies")}) == 1
        order_id = page.run("location.hash").removeprefix("#/order/")
    recorded(rest, order_id)
    assert amounts(rest).count(amount) == 1


def an_amount() -> str:
    """Return an amount that no other order has."""
    return f"0.3{uuid4().int % 10**6:06}1"


def amounts(rest: httpx.Client) -> list[Any]:
    return [each["amount"] for each in rest.get("/orders?limit=100").json()["orders"]]
