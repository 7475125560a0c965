"""Each limit as a client meets it: refused with its own code,
and the connection goes on as if nothing had been.
"""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.security.secured_app import TIME_LIMIT_S, Frame, SecuredApp, an_account, ask, receive, say, trade
from tests.support.instance import Instance

FLOOD = 200
BURST = 50
BATCH = 20


def test_orders_beyond_the_rate_are_refused_and_the_next_second_is_another_chance(
    secured_app: SecuredApp,
) -> None:
    with secured_app.socket(an_account("alice")) as socket:
        assert _codes_of_bursts(socket) == {"accepted", "RATE_LIMITED"}
        order_id = _accepted_at_last(socket, "RATE_LIMITED")
        receive(socket, lambda frame: frame.get("orderId") == order_id and frame.get("status") == "confirmed")


def test_rate_counts_an_accounts_orders_over_every_interface(secured_app: SecuredApp) -> None:
    account = an_account("alice")
    body = {"side": "sell", "amount": "0.001"}
    with secured_app.socket(account) as first, secured_app.socket(account) as second:
        assert _codes_of_bursts(first, second) == {"accepted", "RATE_LIMITED"}

    def posted(_: int) -> tuple[int, str | None, bool]:
        answer = secured_app.rest(account, "POST", "/orders", json=body)
        return answer.status_code, answer.json().get("code"), answer.headers.get("Retry-After") in {"0", "1"}

    # The REST function counts for itself: another environment, another bucket. A busy machine may take longer
    # for one order after the other than the bucket takes to fill again: a batch spends it at once.
    answers: set[tuple[int, str | None, bool]] = set()
    with ThreadPoolExecutor(8) as executor:
        while len(answers) < 2:
            secured_app.rest(account, "POST", "/orders/batch", json={"orders": [body] * BATCH})
            answers.update(executor.map(posted, range(8)))
    assert answers == {(202, None, False), (429, "RATE_LIMITED", True)}


def test_subscriptions_to_an_order_count_like_orders(secured_app: SecuredApp) -> None:
    account, order_id = an_account("mallory"), uuid.uuid4()
    statuses = {
        secured_app.refusal(f"?orderId={order_id}", additional_headers=secured_app.bearer(account))
        for _ in range(100)
    }
    assert statuses == {101, 429}


def test_open_orders_beyond_the_limit_are_refused_until_some_have_ended(open_house: Instance) -> None:
    with connect(open_house.websocket_url, open_timeout=TIME_LIMIT_S) as socket:
        accepted: set[str] = set()
        refused: set[str] = set()
        # Many at once: on a busy machine the first of them may have ended before the last is sent.
        orders = [{"side": "sell", "amount": "0.001"}] * BATCH
        while not refused:
            results = ask(socket, action="submitBatch", orders=orders)["results"]
            accepted.update(each["orderId"] for each in results if "orderId" in each)
            refused = {each["code"] for each in results if "code" in each}
        assert refused == {"TOO_MANY_OPEN_ORDERS"}
        assert ask(socket, action="ping")["type"] == "pong"
        assert _accepted_at_last(socket, "TOO_MANY_OPEN_ORDERS") not in accepted


def test_subscriptions_beyond_the_limit_are_refused_until_one_is_given_up(secured_app: SecuredApp) -> None:
    with secured_app.socket(an_account("alice")) as socket:
        order_id = trade(socket)
        assert ask(socket, action="subscribe")["type"] == "subscribed"
        refused = ask(socket, action="subscribe", orderId=order_id)
        assert (refused["type"], refused["code"]) == ("error", "TOO_MANY_SUBSCRIPTIONS")
        assert ask(socket, action="unsubscribe")["type"] == "unsubscribed"
        assert ask(socket, action="subscribe", orderId=order_id)["type"] == "subscribed"


def test_connections_beyond_the_limit_are_refused_until_one_is_closed(secured_app: SecuredApp) -> None:
    account = an_account("alice")
    with secured_app.socket(account), secured_app.socket(account):
        with secured_app.socket(account) as last:
            # API Gateway hands on the status of a refused handshake and not its body: the code is in the log.
            logged = len(secured_app.instance.lines)
            assert secured_app.refusal(additional_headers=secured_app.bearer(account)) == 429
            line = secured_app.instance.line("error_code=TOO_MANY_CONNECTIONS", after=logged)
            assert "WARNING connection refused" in line, "prod's log would not have it"
            assert secured_app.refusal(additional_headers=secured_app.bearer(an_account("bob"))) == 101
            assert ask(last, action="ping")["type"] == "pong"
        # $disconnect runs after the close, on its own time.
        secured_app.instance.wait(
            lambda: secured_app.refusal(additional_headers=secured_app.bearer(account)) == 101,
            "free connection",
        )


def test_page_beyond_the_limit_is_refused(secured_app: SecuredApp) -> None:
    answer = secured_app.rest(an_account("alice"), "GET", "/orders?limit=101")
    assert (answer.status_code, answer.json()["code"]) == (400, "PAGE_TOO_LARGE")


@pytest.mark.parametrize("action", ["submit", "quote"])
def test_another_account_trades_during_a_flood_that_does_not_end(
    secured_app: SecuredApp, action: str
) -> None:
    with (
        _unbounded(secured_app, an_account("mallory")) as flood,
        secured_app.socket(an_account("bob")) as bob,
    ):
        over = threading.Event()

        def say_one() -> None:
            say(flood, action=action, side="sell", amount="0.001")

        def keep_it_up() -> None:
            while not over.is_set():
                receive(flood, _is_answer)
                say_one()

        for _ in range(FLOOD):
            say_one()
        with ThreadPoolExecutor() as executor:
            kept_up = executor.submit(keep_it_up)
            try:
                trade(bob)
            finally:
                over.set()
            kept_up.result()
        for _ in range(FLOOD):
            receive(flood, _is_answer)
        assert ask(flood, action="ping")["type"] == "pong"


def _codes_of_bursts(*sockets: ClientConnection) -> set[str]:
    """Submit many orders without waiting, on each socket in turn, until some are refused; return what they
    are answered with.

    Each environment of the function has a bucket of its own: a busy machine may take longer for one burst
    than all of them take to fill again.
    """
    codes: set[str] = set()
    while len(codes) < 2:
        for _ in range(BURST):
            for socket in sockets:
                say(socket, action="submit", side="sell", amount="0.001")
        answers = [receive(socket, _is_answer) for socket in sockets for _ in range(BURST)]
        codes |= {answer.get("code", "accepted") for answer in answers}
    return codes


def _is_answer(frame: Frame) -> bool:
    return frame["type"] in {"accepted", "quote", "error"}


def _accepted_at_last(socket: ClientConnection, code: str) -> str:
    """Submit until it is accepted; return the order's id."""
    while "orderId" not in (answer := ask(socket, action="submit", side="sell", amount="0.001")):
        assert answer["code"] == code
        # The next frame may be an event; a socket that is read is as good as a clock.
        ask(socket, action="ping")
    return str(answer["orderId"])


@contextmanager
def _unbounded(app: SecuredApp, account: str) -> Iterator[ClientConnection]:
    """A connection that never keeps the gateway waiting, however much arrives."""
    headers = app.bearer(account)
    with connect(
        app.instance.websocket_url, additional_headers=headers, max_queue=None, open_timeout=TIME_LIMIT_S
    ) as opened:
        yield opened
