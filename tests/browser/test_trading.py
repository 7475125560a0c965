"""A trader's way through the console: make an order, follow it, end it, find it again."""

import json
import re

import httpx
import pytest

from chalicelib.domain.ids import client_order_uuid
from tests.browser.chromium import Page
from tests.browser.conftest import OpenPage, recorded, submit

# What is written on charts.
DRAWN = """
window.drawn = [];
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...more) {
    window.drawn.push(String(text));
    return write.call(this, text, ...more);
};
"""
# A page whose first request for the tokens outlasts the function that would answer it.
TOKENS_ARE_LATE = """
const real = window.fetch;
let isFirst = true;
window.fetch = async (url, ...more) => {
    if (!String(url).endsWith('/venues') || !isFirst) return real(url, ...more);
    isFirst = false;
    return new Response('{"message": "Internal server error"}', { status: 502 });
};
"""
# An order's page as it was before the order was confirmed.
AS_OF_SUBMITTED = """
const real = window.fetch;
window.fetch = async (url, ...more) => {
    const answer = await real(url, ...more);
    if (!/\\/orders\\/[^/]+/.test(url)) return answer;
    const body = await answer.json();
    body.events = body.events?.filter(({ status }) => status !== 'confirmed');
    if (body.status) Object.assign(body, { status: 'submitted', seq: body.seq - 1 });
    return new Response(JSON.stringify(body));
};
"""

# A page that is told what a test tells it.
TOLD = """
window.WebSocket = class extends WebSocket {
    constructor(...words) {
        super(...words);
        window.tell = (data) => this.dispatchEvent(new MessageEvent('message', { data }));
    }
};
"""

# A page whose first answer to an order breaks off: the order was accepted.
ANSWER_BREAKS_OFF = """
const real = window.fetch;
let isFirst = true;
window.fetch = async (url, options, ...more) => {
    const answer = await real(url, options, ...more);
    if (!String(url).endsWith('/orders') || options?.method !== 'POST' || !isFirst) return answer;
    isFirst = false;
    const body = new ReadableStream({ start: (body) => body.error(new TypeError('network error')) });
    return new Response(body, { status: answer.status });
};
"""
# A page whose first answer to an order breaks off, and whose second try is refused.
THEN_IS_REFUSED = (
    ANSWER_BREAKS_OFF
    + """
const breaking = window.fetch;
let tries = 0;
window.fetch = async (url, options, ...more) => {
    if (!String(url).endsWith('/orders') || options?.method !== 'POST' || ++tries !== 2)
        return breaking(url, options, ...more);
    return new Response('{"code": "RATE_LIMITED", "message": "too many requests"}', { status: 429 });
};
"""
)
# A page whose previews wait until `answer` is called.
PREVIEW_IS_LATE = """
const real = window.fetch;
const called = new Promise((resolve) => { window.answer = resolve; });
window.fetch = async (url, ...more) => {
    const answer = await real(url, ...more);
    if (String(url).endsWith('dryRun=true')) await called;
    return answer;
};
"""


def test_order_made_in_the_form_is_followed_to_its_end(console: OpenPage) -> None:
    with console("#/trade") as page:
        page.fill("input[name=amount]", "1.5")
        page.until("document.querySelectorAll('.depth tbody tr').length === 5", "depth of five sizes")
        page.click("form.order button.main", text="Preview")
        page.shown("dialog[open]")
        sentence = page.text("dialog p")
        assert re.match(r"Sell 1\.5 SOL for USDC\. Right now it would bring \d+\.\d+ USDC", sentence)
        assert not _has_sent_an_order(page)
        page.click("dialog button.main")
        page.until("location.hash.startsWith('#/order/')", "the order's page")
        assert _has_sent_an_order(page)
        page.until(
            "document.querySelector('.event:last-child strong')?.innerText === 'confirmed'", "confirmed"
        )
        assert page.run("[...document.querySelectorAll('.event strong')].map((each) => each.innerText)") == [
            "pending", "routing", "routed", "building", "submitted", "confirmed",
        ]  # fmt: skip
        line = page.text(".copy code")
        assert json.loads(line.partition("-x '")[2].rstrip("'")) == {
            "action": "submit", "type": "market", "inputToken": "SOL", "outputToken": "USDC",
            "swapMode": "exactIn", "amount": "1.5", "slippageBps": 50, "validForSeconds": 60,
        }  # fmt: skip


def test_order_whose_answer_broke_off_is_sent_again_as_the_same_order(
    console: OpenPage, rest: httpx.Client
) -> None:
    with console("#/trade", before=ANSWER_BREAKS_OFF) as page:
        page.fill("input[name=amount]", "0.71")
        page.click("form.order button.main", text="Preview")
        page.click("dialog[open] button.main")
        page.click("form.order button.main", text="Send again")
        page.until("location.hash.startsWith('#/order/')", "the order's page")
        order_id = page.run("location.hash").removeprefix("#/order/")
    recorded(rest, order_id, status="confirmed")
    orders = rest.get("/orders?limit=100").json()["orders"]
    assert [each["orderId"] for each in orders if each["amount"] == "0.71"] == [order_id]


def test_order_whose_second_try_is_refused_is_still_the_same_order_until_it_is_left(
    console: OpenPage, rest: httpx.Client
) -> None:
    with console("#/trade", before=THEN_IS_REFUSED) as page:
        page.fill("input[name=amount]", "0.74")
        page.click("form.order button.main", text="Preview")
        page.click("dialog[open] button.main")
        page.click("form.order button.main", text="Send again")
        alert = "document.querySelector('form.order [role=alert]')?.innerText"
        page.until(f"{alert}?.includes('too many requests')", "the refusal of the second")
        page.fill("input[name=amount]", "74")
        assert page.text("form.order [role=alert]").startswith("Sell 0.74 SOL for USDC. ")
        page.click("form.order button.main", text="Send again")
        page.until("location.hash.startsWith('#/order/')", "the order's page")
        order_id = page.run("location.hash").removeprefix("#/order/")
    recorded(rest, order_id, status="confirmed")
    orders = rest.get("/orders?limit=100").json()["orders"]
    assert [each["orderId"] for each in orders if each["amount"] == "0.74"] == [order_id]


def test_order_of_which_nothing_is_known_can_be_left(console: OpenPage) -> None:
    with console("#/trade", before=ANSWER_BREAKS_OFF) as page:
        page.fill("input[name=amount]", "0.75")
        page.click("form.order button.main", text="Preview")
        page.click("dialog[open] button.main")
        page.click("form.order button", text="Leave it")
        page.until("document.querySelector('form.order button.main').innerText === 'Preview'", "a new order")


def test_order_that_is_sent_is_the_one_that_was_previewed_whatever_the_form_says_by_then(
    console: OpenPage, rest: httpx.Client
) -> None:
    with console("#/trade", before=PREVIEW_IS_LATE) as page:
        page.fill("input[name=amount]", "0.72")
        page.click("form.order button.main", text="Preview")
        page.fill("input[name=amount]", "7.2")
        page.run("window.answer(); null")
        page.shown("dialog[open]")
        assert page.text("dialog p").startswith("Sell 0.72 SOL")
        page.click("dialog[open] button.main")
        page.until("location.hash.startsWith('#/order/')", "the order's page")
        order_id = page.run("location.hash").removeprefix("#/order/")
    recorded(rest, order_id, status="confirmed")
    assert rest.get(f"/orders/{order_id}").json()["amount"] == "0.72"


def _has_sent_an_order(page: Page) -> bool:
    page.run("null")  # what was asked meanwhile is known with the answer
    return any(url.endswith("/api/orders") for url in page.requested)


def test_order_that_would_be_refused_is_not_sent_by_the_enter_key_alone(
    console: OpenPage,
) -> None:
    with console("#/trade") as page:
        page.choose("select[name=kind]", "stop")
        page.fill("input[name=amount]", "2")
        page.fill("input[name=triggerPrice]", "9000")
        page.press("Enter")
        page.shown("dialog[open]")
        assert "which is at or below 9000 already" in page.text("dialog")
        page.press("Enter")
        page.until("document.querySelector('dialog[open]') === null", "left")
        assert page.run("location.hash") == "#/trade"
        assert not _has_sent_an_order(page)


def test_axis_of_a_small_price_tells_its_ticks_apart(console: OpenPage) -> None:
    with console("#/trade", before=DRAWN) as page:
        page.choose("select[name=baseAsset]", "BONK")
        page.run("window.drawn.length = 0")
        page.until("window.drawn.filter((text) => text.startsWith('0.0000')).length > 1", "the ticks")
        ticks = page.run("window.drawn.filter((text) => text.startsWith('0'))")
        assert "0" not in ticks


def test_tokens_that_could_not_be_read_are_read_again(console: OpenPage) -> None:
    with console("#/trade", before=TOKENS_ARE_LATE) as page:
        page.choose("select[name=baseAsset]", "BONK")


def test_order_that_is_on_its_way_shows_the_signature_to_look_up(
    console: OpenPage, rest: httpx.Client
) -> None:
    order_id = submit(rest, side="sell", amount="0.4")
    recorded(rest, order_id, status="confirmed")
    events = rest.get(f"/orders/{order_id}/events").json()["events"]
    (signature,) = [each["txSignature"] for each in events if each["status"] == "submitted"]
    with console(f"#/order/{order_id}", before=AS_OF_SUBMITTED) as page:
        page.until("document.querySelector('.facts')?.innerText.includes('submitted')", "its status")
        assert signature in page.text(".facts")


def test_order_that_fails_while_its_page_is_open_says_why_as_it_does_when_it_is_opened_later(
    console: OpenPage, rest: httpx.Client
) -> None:
    order_id = submit(rest, type="limit", side="sell", amount="1", limitPrice="9000")
    recorded(rest, order_id, status="open")
    told = {"orderId": order_id, "seq": 3, "status": "failed", "attempt": 1, "at": "2026-01-01T12:00:00.000Z"}
    frame = {"type": "order", **told, "code": "NO_ROUTE", "message": "no pool has enough"}
    with console(f"#/order/{order_id}", before=TOLD) as page:
        page.until("document.querySelector('main .status')?.innerText === 'open'", "the order at rest")
        page.run(f"window.tell({json.dumps(json.dumps(frame))})")
        page.until("document.querySelector('main .status').innerText === 'failed'", "its end")
        assert "NO_ROUTE: no pool has enough" in page.text(".facts")
    assert rest.delete(f"/orders/{order_id}").is_success


def test_field_that_breaks_a_rule_is_named_and_nothing_is_sent(console: OpenPage) -> None:
    with console("#/trade") as page:
        page.fill("input[name=amount]", "0.0000000001")
        page.click("form.order button.main", text="Preview")
        page.shown("ul[role=alert] li")
        assert "amount" in page.text("ul[role=alert]")
        assert page.run("document.querySelector('input[name=amount]').getAttribute('aria-invalid')") == "true"
        assert not _has_sent_an_order(page)
        page.complaints.clear()  # the browser lists the 400s


def test_orders_are_found_by_filters_that_stand_in_the_address(console: OpenPage, rest: httpx.Client) -> None:
    mine = submit(rest, inputToken="USDC", outputToken="BONK", amount="7", clientOrderId="a-filter")
    with console("#/orders") as page:
        page.until(f"document.getElementById('row-{mine}') !== null", "the row")
        page.choose("select[name=pair]", "BONK/USDC")
        page.until("location.hash === '#/orders?pair=BONK%2FUSDC'", "the filter in the address")
        pairs = "[...document.querySelectorAll('.row .pair')].map((each) => each.innerText)"
        page.until(f"{pairs}.every((each) => each === 'BONK/USDC')", "that pair alone")
        page.fill("input[name=q]", "a-filt")
        page.until("document.querySelectorAll('.grid-body .row').length === 1", "one row")


def test_row_is_reached_and_opened_by_keyboard(console: OpenPage, rest: httpx.Client) -> None:
    newest = submit(rest)
    with console("#/orders") as page:
        page.until(f"document.getElementById('row-{newest}') !== null", "the row")
        page.run("document.querySelector('.grid-body').focus()")
        page.press("End")
        page.press("Home")
        page.until(
            f"document.querySelector('.grid-body').getAttribute('aria-activedescendant') === 'row-{newest}'"
        )
        page.press("Enter")
        page.until(f"location.hash === '#/order/{newest}'", "its page")
        page.until("document.activeElement.id === 'main'", "the focus in it")


def test_order_that_is_not_on_record_yet_is_waited_for_with_a_word(
    console: OpenPage, rest: httpx.Client
) -> None:
    order_id = client_order_uuid("local", "a-late-one")
    with console(f"#/order/{order_id}") as page:
        page.until("document.querySelector('main [role=status]')?.innerText.includes('not on record yet')")
        assert submit(rest, side="sell", amount="0.3", clientOrderId="a-late-one") == str(order_id)
        page.until(
            "document.querySelector('.event:last-child strong')?.innerText === 'confirmed'", "confirmed"
        )
        assert "not on record" not in page.text("main")


def test_clients_text_is_text(console: OpenPage, rest: httpx.Client) -> None:
    hostile = "<img src=x onerror=alert(1)>'\"`"
    order_id = submit(rest, side="sell", amount="0.2", clientOrderId=hostile)
    with console(f"#/order/{order_id}") as page:
        page.shown("svg.route")
        assert hostile in page.text(".facts")
        assert page.run("document.querySelectorAll('#console img').length") == 0
        with pytest.raises(AssertionError, match="TrustedHTML"):
            page.run("document.body.innerHTML = '<p>'")
        page.complaints.clear()  # Chromium lists what its policy forbade
