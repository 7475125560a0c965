"""The list of orders, cut off while orders change: no row is lost, doubled or left behind."""

import httpx

from tests.browser.changes import (
    LIMIT_PRICE,
    WATCHED,
    Changes,
    cut,
    resting_orders,
    rows_drawn,
    settled,
    show_all,
)
from tests.browser.conftest import OpenPage, recorded, submit
from tests.support.instance import Instance

RESTING = 130
"""More than a new connection is replayed."""

# A page whose connections end at once, as behind a proxy that knows no WebSocket.
REFUSED = """
window.isRefused = true;
window.WebSocket = class extends WebSocket {
    constructor(...words) {
        super(...words);
        this.addEventListener('open', (event) => {
            if (!window.isRefused) return;
            event.stopImmediatePropagation();
            this.close();
        });
    }
};
"""

# A page whose subscription reaches the server only once it is let go.
HELD = """
window.links = [];
window.letGo = null;
window.WebSocket = class extends WebSocket {
    constructor(...words) { super(...words); window.links.push(this); }
    send(text) {
        if (window.links.length === 1 || !text.includes('subscribe')) super.send(text);
        else window.letGo = () => super.send(text);
    }
};
"""

# A page whose first subscription is lost: the gateway says so in words of its own.
LOST = """
window.lost = 0;
window.WebSocket = class extends WebSocket {
    send(text) {
        if (window.lost || !text.includes('subscribe')) return super.send(text);
        window.lost += 1;
        this.dispatchEvent(new MessageEvent('message', { data: 'Internal server error' }));
    }
};
"""


# A page to which the server's list is broken, and whose pauses are short; how long they are meant is noted.
BROKEN = """
window.isBroken = true;
window.asked = 0;
window.pauses = [0];
const [read, wait] = [window.fetch, window.setTimeout];
window.fetch = (url, ...rest) => {
    if (!window.isBroken || !String(url).includes('/orders?')) return read(url, ...rest);
    window.asked += 1;
    return Promise.resolve(new Response('{"message": "Internal server error"}', { status: 500 }));
};
window.setTimeout = (run, ms, ...rest) => {
    if (!(ms >= 900 && ms <= 16000)) return wait(run, ms, ...rest);
    window.pauses.push(ms);
    return wait(run, ms / 50, ...rest);
};
"""


def test_connection_that_is_cut_in_its_replay_too_leaves_each_row_once_with_its_last_status(
    console: OpenPage, rest: httpx.Client, instance: Instance
) -> None:
    resting = resting_orders(rest, RESTING)
    with console("#/orders", before=WATCHED) as page:
        show_all(page)
        with Changes(instance.rest_url, resting, per_second=100) as changes:
            cut(page)
            cut(page, after_messages=4, times=3)
        accepted = {*resting, *changes.accepted}
        assert rows_drawn(page, lambda: settled(rest, accepted=accepted)) == len(accepted)
        assert page.run("cuts") == 2
    assert changes.steps > 0
    assert rest.delete("/orders", params={"types": "limit"}).status_code == 200


def test_list_is_read_where_no_connection_comes_about_and_is_live_once_one_does(
    console: OpenPage, rest: httpx.Client
) -> None:
    order_id = submit(rest, type="limit", side="sell", amount="1", limitPrice=str(LIMIT_PRICE))
    status = f"document.getElementById('row-{order_id}')?.querySelector('.status').innerText"
    recorded(rest, order_id, status="open")
    with console("#/orders", before=REFUSED) as page:
        page.until(f"{status} === 'open'", "read by REST")
        assert "reconnecting" in page.text(".link")
        rest.delete(f"/orders/{order_id}")
        page.run("window.isRefused = false")
        page.until(f"{status} === 'canceled'", "live")


def test_order_that_ends_before_the_server_has_the_new_subscription_is_shown_as_ended(
    console: OpenPage, rest: httpx.Client
) -> None:
    order_id = submit(rest, type="limit", side="sell", amount="1", limitPrice=str(LIMIT_PRICE))
    status = f"document.getElementById('row-{order_id}')?.querySelector('.status').innerText"
    with console("#/orders", before=HELD) as page:
        page.until(f"{status} === 'open'", "resting")
        page.run("links.at(-1).close()")
        page.until("window.letGo !== null", "a new connection")
        rest.delete(f"/orders/{order_id}")
        page.run("window.letGo()")
        page.until(f"{status} === 'canceled'", "its end")


def test_subscription_that_a_function_did_not_answer_is_made_again_at_the_gateways_word(
    console: OpenPage,
) -> None:
    with console("#/orders", before=LOST) as page:
        page.until("document.body.innerText.includes('may lack orders: Internal server error')", "its word")
        page.until("!document.body.innerText.includes('may lack orders')", "a list that is whole")
        assert page.run("lost") == 1


def test_list_that_the_server_fails_to_read_is_asked_for_ever_more_rarely_although_events_come(
    console: OpenPage, rest: httpx.Client, instance: Instance
) -> None:
    resting = resting_orders(rest, 10)
    shown = "document.querySelectorAll('[role=row][id]').length"
    with console("#/orders", before=BROKEN) as page:
        with Changes(instance.rest_url, resting, per_second=20):
            asked = page.until("Math.max(...pauses) > 8000 && asked", "a long pause")
        assert asked < 40
        page.run("window.isBroken = false")
        page.until(f"!document.body.innerText.includes('Internal server error') && {shown} > 0", "the list")
    rest.delete("/orders", params={"types": "limit"})
