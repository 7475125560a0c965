"""Rows and messages that another release wrote, and tokens that it took off the list."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.domain.queue_messages import OrderMessage, ResumeMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.tokens import Tokens
from chalicelib.wire.queue_messages import render_message
from tests.contract.records import on_postgres
from tests.fakes.orders import NOON, VIEWS, an_order
from tests.integration.consumer import Consumer
from tests.integration.poison import accepted, an_order_now, defects, last_data, order_of, page_of, poisoned


def test_order_for_a_token_that_a_release_delists_fails_alone_with_a_reason(consumer: Consumer) -> None:
    gone = an_order_now(output_token="GONE")  # no password
    consumer.put(render_message(OrderMessage(order=gone)))
    others = accepted(consumer, 9)

    _, unfinished = consumer.run()

    assert unfinished == []
    assert {consumer.status(each) for each in others} == {OrderStatus.CONFIRMED}
    assert last_data(consumer, gone.order_id) == {
        "code": "NO_ROUTE",
        "message": "GONE is not traded any more",
        "attempts": 1,
    }


def test_orders_of_a_delisted_token_are_listed_without_amounts_in_it(consumer: Consumer) -> None:
    gone = an_order_now(input_token="GONE", price_base="GONE")
    consumer.put(render_message(OrderMessage(order=gone)))
    (other,) = accepted(consumer, 1)
    consumer.run()

    listed = page_of(consumer)["orders"]

    found = {each["orderId"]: each for each in listed}
    assert found[str(gone.order_id)]["amount"] is None
    assert found[str(other)]["amount"] == "0.1"


def test_order_is_confirmed_although_its_token_was_delisted_while_it_was_under_way(
    consumer: Consumer,
) -> None:
    chain = poisoned(consumer, "viewing")
    (chain.poison,) = accepted(consumer, 1)
    consumer.run()
    chain.fails_at = ""
    delist(consumer, "SOL")
    consumer.put(render_message(ResumeMessage(order_id=chain.poison)))

    _, unfinished = consumer.run()

    assert unfinished == []
    data = last_data(consumer, chain.poison)
    assert (data["inputAmount"], data["executedPrice"]) == (None, None)
    assert float(data["outputAmount"]) > 0


def delist(consumer: Consumer, symbol: str) -> None:
    """Do as a release does that takes a token off the list: the services are made anew without it."""
    services = consumer.services
    kept = [token for token in services.tokens if token.symbol != symbol]
    pair = services.tokens.default_pair
    own = vars(services)
    for made in own.keys() - {"settings", "clock", "clients", "queue", "market", "access"}:
        del own[made]
    own["tokens"] = Tokens(kept, replace(pair, base=kept[0].symbol, quote=kept[1].symbol))


def test_row_that_only_another_release_can_read_is_that_orders_alone(
    consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    chain = poisoned(consumer, "viewing")
    (chain.poison,) = accepted(consumer, 1)
    consumer.run()
    with consumer.services.engine.begin() as connection:
        connection.execute(text("ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_swap_mode_check"))
        connection.execute(
            text("UPDATE orders SET swap_mode = 'twap' WHERE order_id = CAST(:id AS uuid)"),
            {"id": str(chain.poison)},
        )
    caplog.clear()
    consumer.put(render_message(ResumeMessage(order_id=chain.poison)), "resumed", "garbage")
    others = accepted(consumer, 7)
    again = consumer.services.queries.page("local", status=OrderStatus.CONFIRMED, limit=1, before=None)
    consumer.put(*(render_message(ResumeMessage(order_id=each.state.order.order_id)) for each in again))

    _, unfinished = consumer.run()

    assert len(unfinished) == 3
    assert {consumer.status(each) for each in others} == {OrderStatus.CONFIRMED}
    assert {each["order_id"] for each in defects(caplog)} == {str(chain.poison)}
    listed: list[str] = []
    cursor = None
    while True:
        page = page_of(consumer, limit=3, cursor=cursor)
        listed += [each["orderId"] for each in page["orders"]]
        if (cursor := page["nextCursor"]) is None:
            break
    assert {str(each) for each in others} < set(listed)
    assert str(chain.poison) not in listed
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_are_full_and_hold_every_order_but_those_that_only_another_release_can_read(
    database_url: str, limit: int, caplog: pytest.LogCaptureFixture
) -> None:
    database = make_engine(database_url)
    with database.begin() as connection:
        # However the rows are found: here, as they lie, which is not as they are shown.
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f'ALTER DATABASE "{name}" SET enable_indexscan = off'))
    database.dispose()
    store, orders = on_postgres(database), []
    for place in (6, 1, 8, 3, 0, 5, 2, 7, 4):
        orders.append(an_order(accepted_at=NOON + timedelta(seconds=place)))
        store.created(orders[-1])
    orders.sort(key=lambda order: order.accepted_at, reverse=True)
    unreadable = [orders[place].order_id for place in (1, 3, 4)]
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_swap_mode_check"))
        connection.execute(
            text("UPDATE orders SET swap_mode = 'twap' WHERE order_id = ANY(:ids)"), {"ids": unreadable}
        )

    pages: list[list[UUID]] = []
    before = None
    while (page := store.queries.page("alice", status=None, limit=limit, before=before)) and len(pages) < 9:
        pages.append([view.state.order.order_id for view in page])
        before = page[-1].state.order.accepted_at, page[-1].state.order.order_id

    assert [len(page) for page in pages] == [limit] * (6 // limit)
    shown = [order.order_id for order in orders if order.order_id not in unreadable]
    assert [order_id for page in pages for order_id in page] == shown
    assert {each["order_id"] for each in defects(caplog)} == set(map(str, unreadable))
    database.dispose()


def test_realized_slippage_of_rows_with_the_old_name_reads_right(consumer: Consumer) -> None:
    (order_id,) = accepted(consumer, 1)
    consumer.run()
    told = {
        "slippageBps" if name == "realizedSlippageBps" else name: value
        for name, value in last_data(consumer, order_id).items()
    } | {"slippageBps": "1.25"}
    with consumer.services.engine.begin() as connection:
        # As a release before this one wrote it: events cannot be changed with the triggers on.
        connection.execute(text("ALTER TABLE order_events DISABLE TRIGGER USER"))
        connection.execute(
            text("""
            UPDATE order_events
            SET data = CAST(:data AS jsonb), packed = ''
            WHERE order_id = CAST(:id AS uuid) AND status = 'confirmed'
            """),
            {"id": str(order_id), "data": json.dumps(told)},
        )

    seen = order_of(consumer, order_id)
    _, (event,) = consumer.services.read_orders.events("local", order_id, after_seq=5)
    frame = VIEWS.frame(None, event)

    assert (seen["slippageBps"], seen["realizedSlippageBps"]) == (50, "1.25")
    assert frame["realizedSlippageBps"] == "1.25"
    assert "slippageBps" not in frame


def test_no_field_of_an_event_covers_a_term_of_its_order(consumer: Consumer) -> None:
    (order_id,) = accepted(consumer, 1)
    consumer.run()
    seen = order_of(consumer, order_id)
    events = consumer.services.queries.events_after(order_id, 0, limit=100)

    told = [(name, value) for event in events for name, value in VIEWS.fields(event).items() if name in seen]

    terms_of_order = {"type", "inputToken", "outputToken", "swapMode", "amount", "slippageBps"}
    assert {name: value for name, value in told if name in terms_of_order} == {
        "inputToken": seen["inputToken"],
        "outputToken": seen["outputToken"],
        "slippageBps": 50,
    }
    assert seen["realizedSlippageBps"] == "0.00"
    assert seen["validUntil"] > seen["acceptedAt"]


def test_seconds_of_validity_are_counted_from_acceptance(consumer: Consumer) -> None:
    late = an_order_now(accepted_at=datetime.now(UTC) - timedelta(hours=2))
    late = replace(late, valid_until=late.accepted_at + timedelta(seconds=60))
    consumer.put(render_message(OrderMessage(order=late)))
    consumer.run()
    assert consumer.status(late.order_id) is OrderStatus.EXPIRED
