"""What a page misses: connections that die without a word, frames that are lost or come twice, old orders."""

from uuid import uuid4

import httpx

from tests.browser.chromium import Page
from tests.browser.conftest import WHOLE, OpenPage, done_with_answers, recorded, submit

# A page whose longer waits end when the test says so, and whose connections fall silent when it says so.
WAITS = """
window.links = []; window.sent = []; window.heard = 0; window.isMute = false; window.isCut = false;
window.waits = new Map();
window.kept = (ms) => [...window.waits.values()].filter((wait) => wait.isOf(ms));
window.end = (ms) => {
    const ended = [...window.waits].filter(([, wait]) => wait.isOf(ms));
    ended.forEach(([timer]) => window.waits.delete(timer));
    ended.forEach(([, wait]) => wait.run());
    return ended.length;
};
const [wait, clear] = [window.setTimeout, window.clearTimeout];
const isReconnecting = (ms) => ms >= 125 && ms <= 250;
window.setTimeout = (run, ms, ...more) => {
    if (![10000, 25000, 30000].includes(ms) && !(window.isCut && isReconnecting(ms)))
        return wait(run, ms, ...more);
    const timer = wait(() => {}, 2 ** 30);
    window.waits.set(timer, { run, isOf: (asked) => asked === ms || (asked === 250 && isReconnecting(ms)) });
    return timer;
};
window.clearTimeout = (timer) => { window.waits.delete(timer); clear(timer); };
window.WebSocket = class extends WebSocket {
    constructor(...words) {
        super(...words);
        window.links.push(this);
        this.addEventListener('message', (event) => {
            if (window.isMute) event.stopImmediatePropagation();
            else window.heard += 1;
        });
    }
    send(text) {
        window.sent.push(text);
        if (window.isMute) return;
        super.send(text);
    }
};
"""
LIVE = "document.querySelector('.link')?.innerText.includes('live')"
CAUGHT_UP = "!document.querySelector('.count').innerText.includes('catching')"
PINGS = "sent.filter((text) => text.includes('ping')).length"

# A page to which each message that has `window.lost` in it is lost, and each other one comes twice.
LOST_OR_TWICE = """
window.lost = null; window.losses = 0;
window.WebSocket = class extends WebSocket {
    constructor(...words) {
        super(...words);
        this.addEventListener('message', (event) => {
            if (event.isAgain) return;
            event.stopImmediatePropagation();
            if (window.lost && event.data.includes(window.lost)) { window.losses += 1; return; }
            for (let n = 0; n < 2; n += 1) {
                const again = new MessageEvent('message', { data: event.data });
                again.isAgain = true;
                this.dispatchEvent(again);
            }
        });
    }
};
"""

# A page whose list has nothing in it once `window.isEmpty` is set.
EMPTY_LIST = """
const read = window.fetch;
window.isEmpty = false;
window.fetch = async (url, options, ...more) => {
    if (!window.isEmpty || !String(url).includes('/orders?limit') || options?.method === 'DELETE')
        return read(url, options, ...more);
    return new Response('{"orders": [], "nextCursor": null}');
};
"""
# A page that gets its list in shorter pages.
SHORT_PAGES = """
const read = window.fetch;
window.pages = 0;
window.fetch = async (url, ...more) => {{
    const answer = await whole(await read(String(url).replace('limit=100', 'limit={}'), ...more));
    window.pages += String(url).includes('/orders?limit');
    return answer;
}};
"""
# A page that waits a hundredth of the time before it asks for an order again.
SHORT_WAITS = """
const wait = window.setTimeout;
window.setTimeout = (run, ms, ...more) => wait(run, ms >= 500 && ms <= 3000 ? ms / 100 : ms, ...more);
"""

SEQS = "[...document.querySelectorAll('.event .seq')].map((each) => Number(each.innerText))"


def cut(page: Page) -> None:
    """Lose the connection, until the time for the next try is let come."""
    page.run("isCut = true; links[0].close(); null")
    page.until("kept(250).length === 1", "the pause before the next try")


def test_connection_that_answers_no_ping_is_given_up_and_one_that_does_is_kept(
    console: OpenPage, rest: httpx.Client
) -> None:
    order_id = resting(rest)
    with console("#/orders", before=WAITS) as page:
        page.until(f"{status(order_id)} === 'open'", "the order at rest")
        page.until(CAUGHT_UP, "caught up")
        for pings in (1, 2):
            before = page.run("heard")
            page.run("end(25000)")
            assert page.run(PINGS) == pings
            page.until(f"heard > {before}", "the answer")
            page.run("end(10000)")
            assert page.run("[links.length, links[0].readyState]") == [1, 1]
        page.run("isMute = true; null")
        rest.delete(f"/orders/{order_id}")
        page.run("end(25000); end(10000); isMute = false; null")
        page.until(f"{status(order_id)} === 'canceled'", "what was missed")
        assert page.run("links.length") == 2


def test_connection_is_tried_again_as_soon_as_the_network_is_back_and_never_doubled(
    console: OpenPage,
) -> None:
    with console("#/orders", before=WAITS) as page:
        page.until(LIVE, "live")
        online = "(() => { dispatchEvent(new Event('online')); return links.length; })()"
        assert page.run(online) == 1
        cut(page)
        assert page.run("document.querySelector('.link').innerText") == "reconnecting…"
        assert page.run(online) == 2
        page.until(LIVE, "live again")
        # The pause is over with that: no second connection comes of it.
        assert page.run("end(250), links.length") == 2


def test_subscription_that_is_never_answered_is_told_and_made_again(console: OpenPage) -> None:
    with console("#/orders", before=f"{WAITS}; window.isMute = true") as page:
        page.until("kept(30000).length === 1", "a subscription that waits")
        page.run("isMute = false; end(30000); null")
        alert = "document.querySelector('main [role=alert]')?.innerText"
        page.until(f"{alert}?.includes('may lack orders: the server did not answer')", "what may be missing")
        page.until(f"{CAUGHT_UP} && {alert} === undefined", "the list")


def test_order_that_ended_meanwhile_and_is_in_no_list_that_is_read_is_asked_for(
    console: OpenPage, rest: httpx.Client
) -> None:
    order_id = resting(rest)
    with console("#/orders", before=f"{WAITS}{EMPTY_LIST}") as page:
        page.until(f"{status(order_id)} === 'open'", "the order at rest")
        page.until(CAUGHT_UP, "caught up")
        cut(page)
        rest.delete(f"/orders/{order_id}")
        page.run("isEmpty = true; end(250); null")
        page.until(f"{status(order_id)} === 'canceled'", "its end")


def test_order_page_shows_each_event_once_although_one_was_lost_and_others_came_twice(
    console: OpenPage, rest: httpx.Client
) -> None:
    order_id = resting(rest)
    with console(f"#/order/{order_id}", before=LOST_OR_TWICE) as page:
        page.until(f"{SEQS}.length === 2", "pending and open")
        page.until(LIVE, "live")
        page.run('window.lost = \'"limitPrice":"9001"\'; null')
        amend(rest, order_id, limitPrice="9001")
        page.until("window.losses > 0", "a frame that is lost")
        amend(rest, order_id, limitPrice="9002")
        page.until(f"{SEQS}.length === 4", "what was lost as well")
        assert page.run(SEQS) == [1, 2, 3, 4]
        assert "9002 USDC per SOL" in page.text(".facts")
    rest.delete(f"/orders/{order_id}")


def test_order_page_shows_what_happened_while_there_was_no_connection(
    console: OpenPage, rest: httpx.Client
) -> None:
    order_id = resting(rest)
    with console(f"#/order/{order_id}", before=WAITS) as page:
        page.until(f"{SEQS}.length === 2", "pending and open")
        page.until(LIVE, "live")
        cut(page)
        amend(rest, order_id, limitPrice="9001")
        rest.delete(f"/orders/{order_id}")
        page.run("end(250); null")
        page.until(f"{SEQS}.length === 4", "all of it")
        assert page.run(SEQS) == [1, 2, 3, 4]
        page.until("document.querySelector('main .status').innerText === 'canceled'", "how it stands")
        assert page.run("[...document.querySelectorAll('main .buttons button')].every((it) => it.disabled)")


def test_order_that_never_comes_on_record_is_said_to_be_none(console: OpenPage) -> None:
    with console(f"#/order/{uuid4()}", before=SHORT_WAITS, is_refused=True) as page:
        page.shown("main [role=alert]")
        assert page.text("main [role=alert]") == "Your account has no order of this id."
        assert page.text("main [role=status]") == ""


def test_older_orders_are_read_on_demand_each_once_until_there_are_none(
    console: OpenPage, rest: httpx.Client
) -> None:
    ids = [resting(rest) for _ in range(5)]
    number = len({*ids} | {each["orderId"] for each in all_orders(rest)})
    with console("#/orders", before=WHOLE + SHORT_PAGES.format(number // 5)) as page:
        page.until(LIVE, "live")
        count = "document.querySelector('.count').innerText"
        older = "[...document.querySelectorAll('.filters button')].find((it) => it.innerText === 'Older')"
        page.until(f"{CAUGHT_UP} && !{older}.disabled", "a list that goes on")
        for _ in range(number):
            if page.run(f"{older}.disabled"):
                break
            before = page.run("pages")
            page.run(f"{older}.click()")
            page.until(f"pages > {before}", "more of them")
            done_with_answers(page)
        assert page.run(f"{older}.disabled")
        page.until(f"{count} === '{number} of {number}'", "all of them")
    rest.delete("/orders", params={"types": "limit"})


def all_orders(rest: httpx.Client) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    cursor = None
    while True:
        query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        page = rest.get("/orders", params=query).json()
        found += page["orders"]
        cursor = page["nextCursor"]
        if cursor is None:
            return found


def resting(rest: httpx.Client) -> str:
    order_id = submit(rest, type="limit", side="sell", amount="1", limitPrice="9000")
    recorded(rest, order_id, status="open")
    return order_id


def amend(rest: httpx.Client, order_id: str, **changes: str) -> None:
    answer = rest.patch(f"/orders/{order_id}", json=changes)
    assert answer.status_code == 200, answer.text


def status(order_id: str) -> str:
    return f"document.getElementById('row-{order_id}')?.querySelector('.status').innerText"
