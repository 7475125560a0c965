"""The list's orders, as events and reads bring them: each once, as its latest event has it."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.browser.chromium import Chromium, Page
from tests.browser.conftest import opened
from tests.browser.told import told
from tests.support.instance import Instance

_TERMS: Final = {
    "type": "limit",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": "1.5",
    "limitPrice": "150",
    "trigger": {"price": "140", "when": "below", "source": "mark"},
    "acceptedAt": "2026-01-01T12:00:00.000Z",
}


@pytest.fixture(scope="module")
def page(chromium: Chromium, instance: Instance) -> Iterator[Page]:
    """One page for all: what is asked of it reckons, and changes nothing in it."""
    with opened(chromium, instance, "#/audit") as page:
        yield page


def event(seq: int, status: str, order_id: str = "a", **facts: Any) -> str:
    frame = {"orderId": order_id, "clientOrderId": f"mine-{order_id}", "seq": seq, "status": status}
    at = f"2026-01-01T12:00:0{seq}.000Z"
    return f"applyEvent({json.dumps(frame | {'attempt': 1, 'at': at} | facts)}, 7)"


def order(seq: int, status: str, order_id: str = "a", **facts: Any) -> str:
    body = {"orderId": order_id, "seq": seq, "status": status, "attempt": 1} | _TERMS
    at = f"2026-01-01T12:00:0{seq}.000Z"
    return f"applyOrder({json.dumps(body | {'updatedAt': at} | facts)}, 8)"


def after(page: Page, steps: list[str], wanted: str) -> Any:
    """Return what is wanted of a new book, ``its``, after some steps; ``told`` is what each returned."""
    done = ", ".join(f"its.{each}" for each in steps)
    script = f"(() => {{ const its = new Book(); const told = [{done}]; return {wanted}; }})()"
    return told(page, "book", script)


def test_events_that_come_twice_or_late_change_nothing(page: Page) -> None:
    steps = [event(1, "pending"), event(3, "routed"), event(2, "routing"), event(3, "routed")]
    facts = (
        "[told, its.ordered.length, its.get('a').status, its.get('a').seq, its.get('a').updatedMs % 60000]"
    )
    assert after(page, steps, facts) == [[True, True, False, False], 1, "routed", 3, 3000]


def test_order_that_was_read_before_an_event_came_adds_its_terms_and_takes_nothing_back(page: Page) -> None:
    row = """(({ status, seq, amount, isKnown, updatedMs }) =>
        [status, seq, amount, isKnown, updatedMs % 60000, its.ordered.length])(its.get('a'))"""
    late = [event(3, "confirmed"), order(2, "submitted")]
    assert after(page, late, row) == ["confirmed", 3, "1.5", True, 3000, 1]
    assert after(page, [event(2, "open"), order(3, "canceled")], row) == ["canceled", 3, "1.5", True, 3000, 1]
    assert after(page, [order(3, "canceled"), event(2, "open")], row) == ["canceled", 3, "1.5", True, 3000, 1]
    assert after(page, [event(2, "open"), order(2, "open")], row) == ["open", 2, "1.5", True, 2000, 1]


def test_amended_terms_are_kept_over_an_older_read_of_the_order(page: Page) -> None:
    changes = {"limitPrice": "151", "triggerPrice": "141", "expiresAt": "2026-01-02T00:00:00.000Z"}
    amended = event(3, "open", amended=changes)
    terms = """(({ limitPrice, trigger, expiresAt, validUntil, amount }) =>
        ({ limitPrice, trigger, expiresAt, validUntil, amount }))(its.get('a'))"""
    expected = {
        "limitPrice": "151",
        "trigger": {"price": "141", "when": "below", "source": "mark"},
        "expiresAt": "2026-01-02T00:00:00.000Z",
        "validUntil": "2026-01-02T00:00:00.000Z",
        "amount": "1.5",
    }
    assert after(page, [order(2, "open"), amended], terms) == expected
    assert after(page, [amended, order(2, "open")], terms) == expected
    only_the_amount = [order(2, "open"), event(3, "open", amended={"amount": "2"})]
    assert after(page, only_the_amount, terms) == {
        "limitPrice": "150", "trigger": _TERMS["trigger"], "amount": "2",
    }  # fmt: skip


def test_what_only_some_events_say_stays_until_another_says_it(page: Page) -> None:
    steps = [
        event(1, "pending", inputToken="SOL", outputToken="USDC", orderType="limit", limitPrice="150"),
        event(2, "submitted", txSignature="s1", observedPrice="149"),
        event(3, "failed", code="NO_ROUTE", message="none"),
    ]
    row = """(({ type, inputToken, outputToken, limitPrice, txSignature, observedPrice, code, message, status,
        clientOrderId, attempt, seenIn }) => [type, inputToken, outputToken, limitPrice, txSignature,
        observedPrice, code, message, status, clientOrderId, attempt, seenIn])(its.get('a'))"""
    assert after(page, steps, row) == [
        "limit", "SOL", "USDC", "150", "s1", "149", "NO_ROUTE", "none", "failed", "mine-a", 1, 7,
    ]  # fmt: skip


def test_newest_order_is_first_and_one_whose_acceptance_was_guessed_is_moved_and_not_doubled(
    page: Page,
) -> None:
    def accepted(order_id: str, second: int) -> str:
        return order(2, "open", order_id, acceptedAt=f"2026-01-01T12:00:0{second}.000Z")

    ids = "its.ordered.map((row) => row.orderId)"
    spread = [accepted("b", 2), accepted("c", 5), accepted("a", 1), accepted("e", 3), accepted("d", 3)]
    assert after(page, spread, ids) == ["c", "e", "d", "b", "a"]
    # An event's time is later than the acceptance that a read tells of.
    guessed = [accepted("b", 2), event(4, "routed", "x"), accepted("x", 1)]
    assert after(page, guessed[:2], ids) == ["x", "b"]
    assert after(page, guessed, ids) == ["b", "x"]
    assert after(page, guessed, "its.rows.size") == 2


def test_orders_of_which_only_events_are_known_are_asked_for_until_they_are_read(page: Page) -> None:
    script = f"""(() => {{
        let asked = 0;
        const its = new Book({{ onUnknown: () => {{ asked += 1; }} }});
        its.{event(1, "pending")};
        its.{event(2, "routing")};
        its.{event(1, "pending", "b")};
        const before = [...its.unknown];
        its.{order(2, "routing")};
        return [asked, before, [...its.unknown]];
    }})()"""
    assert told(page, "book", script) == [2, ["a", "b"], ["b"]]


def test_unfinished_orders_are_those_that_something_can_still_happen_to(page: Page) -> None:
    statuses = ["pending", "open", "triggered", "routing", "routed", "building", "submitted"]
    final = ["confirmed", "failed", "canceled", "expired"]
    steps = [event(1, status, status) for status in statuses + final]
    assert set(after(page, steps, "its.unfinished().map((row) => row.status)")) == {*statuses}
    may_cancel = f"{json.dumps(statuses + final)}.filter((status) => MAY_CANCEL.has(status))"
    assert told(page, "words", may_cancel) == statuses[:-1]


@pytest.mark.parametrize(
    ("oldest", "left"), [("open", ["oldest", "next", "new"]), ("expired", ["old", "next", "new"])]
)
def test_list_that_is_full_forgets_the_oldest_that_is_over_and_none_that_is_not(
    page: Page, oldest: str, left: list[str]
) -> None:
    script = f"""(() => {{
        const its = new Book();
        const put = (id, status, at) => its.applyOrder({{
            orderId: id, seq: 1, status, acceptedAt: at, updatedAt: at,
        }}, 1);
        put('oldest', '{oldest}', '2026-01-01T00:00:00Z');
        put('old', 'failed', '2026-01-01T00:00:01Z');
        put('next', 'confirmed', '2026-01-01T00:00:02Z');
        for (let n = 3; n < ROWS_MAX; n += 1) put(`${{n}}`, 'confirmed', '2026-01-02T00:00:00Z');
        const before = its.ordered.length;
        its.{event(1, "pending", "new", at="2026-01-03T00:00:00.000Z")};
        return [before === ROWS_MAX, its.ordered.length === ROWS_MAX, its.rows.size === ROWS_MAX,
            ['oldest', 'old', 'next', 'new'].filter((id) => its.get(id))];
    }})()"""
    assert told(page, "book", script) == [True, True, True, left]
