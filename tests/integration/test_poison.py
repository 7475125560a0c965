"""One poison order among good ones, through the real consumers: what is wrong with it stays with it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from chalicelib.domain.errors import Code, ConflictError
from chalicelib.domain.orders import Order
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.tokens import Token, Tokens
from chalicelib.domain.transactions import ChainView, SignedTransaction, SwapInstruction
from chalicelib.services.ports import Chain, OrderView
from chalicelib.wire.order_views import order_view
from chalicelib.wire.queue_messages import OrderMessage, ResumeMessage
from tests.fakes.bad_messages import BAD_BODIES, BAD_ORDERS, an_order_body
from tests.fakes.orders import VIEWS, an_order, changed, terms
from tests.fakes.ports import FakeConnections
from tests.integration.consumer import Consumer


class PoisonedTokens(Tokens):
    """Tokens of which one cannot be planned with, for a reason that was not foreseen."""

    poison = "BONK"

    def __getitem__(self, symbol: str) -> Token:
        if symbol == self.poison:
            raise ZeroDivisionError("planted")
        return super().__getitem__(symbol)

    def find(self, symbol: str) -> Token | None:
        return self[symbol] if symbol == self.poison else super().find(symbol)


class PoisonedChain:
    """A chain that fails over one order, at one step of its way, as no port is allowed to."""

    def __init__(self, chain: Chain, fails_at: str) -> None:
        self._chain = chain
        self.fails_at = fails_at
        self.poison: UUID | None = None
        self._signature = ""

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        signed = list(self._chain.sign(instructions))
        for index, instruction in enumerate(instructions):
            if instruction.order_id == self.poison:
                self._signature = signed[index].signature
                if self.fails_at == "signing":
                    raise KeyError("planted")
                if self.fails_at == "recording":
                    signed[index] = replace(signed[index], last_valid_height=2**70)
        return signed

    def send(self, transactions: Sequence[SignedTransaction]) -> None:
        if self.fails_at == "sending" and any(each.signature == self._signature for each in transactions):
            raise TypeError("planted")
        self._chain.send(transactions)

    def view(self, signatures: Sequence[str]) -> ChainView:
        if self.fails_at == "viewing" and self._signature in signatures:
            raise IndexError("planted")
        view = self._chain.view(signatures)
        if self.fails_at == "confirming" and self._signature in view.statuses:
            broken = replace(view.statuses[self._signature], legs=(None,))  # type: ignore[arg-type]
            return ChainView(view.height, {**view.statuses, self._signature: broken})
        return view


def poisoned(consumer: Consumer, fails_at: str) -> PoisonedChain:
    chain = PoisonedChain(consumer.services.market.chain, fails_at)
    vars(consumer.services.market._market)["chain"] = chain
    return chain


def accepted(consumer: Consumer, number: int, **wish: Any) -> list[UUID]:
    wishes = [terms(amount_units=10**8 + n) for n in range(number)]
    return [
        consumer.services.submit_orders.submit(replace(each, **wish), "local").order_id for each in wishes
    ]


def last_data(consumer: Consumer, order_id: UUID) -> dict[str, Any]:
    view = consumer.services.queries.find("local", order_id)
    assert view is not None
    return VIEWS.fields(view.last_event)


def shown(consumer: Consumer, view: OrderView) -> dict[str, Any]:
    use = consumer.services
    return order_view(view.state, use.event_views.fields(view.last_event), view.updated_at, use.tokens)


def order_of(consumer: Consumer, order_id: UUID) -> dict[str, Any]:
    return shown(consumer, consumer.services.read_orders.order("local", order_id))


def page_of(consumer: Consumer, limit: int | None = None, cursor: str | None = None) -> dict[str, Any]:
    page = consumer.services.read_orders.orders("local", status=None, limit=limit, cursor=cursor)
    return {"orders": [shown(consumer, view) for view in page.views], "nextCursor": page.next_cursor}


def an_order_now(**members: Any) -> Order:
    return changed(an_order(account_id="local", accepted_at=datetime.now(UTC)), **members)


def defects(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return what was logged of defects, each with the traceback's last line."""
    return [
        {**vars(record), "raised": repr(record.exc_info[1])}
        for record in caplog.records
        if record.message == "defect" and record.exc_info
    ]


@pytest.mark.parametrize("fails_at", ["signing", "recording"])
def test_poison_before_anything_is_sent_ends_one_order_and_nine_are_confirmed(
    consumer: Consumer, fails_at: str, caplog: pytest.LogCaptureFixture
) -> None:
    chain = poisoned(consumer, fails_at)
    chain.poison, *others = accepted(consumer, 10)

    _, unfinished = consumer.run()

    assert unfinished == []
    assert {consumer.status(each) for each in others} == {OrderStatus.CONFIRMED}
    assert consumer.status(chain.poison) is OrderStatus.FAILED
    assert last_data(consumer, chain.poison)["code"] == Code.INTERNAL_ERROR
    (defect,) = defects(caplog)
    assert defect["order_id"] == str(chain.poison)


def test_order_that_cannot_be_planned_fails_alone(
    consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = consumer.services.tokens
    vars(consumer.services)["tokens"] = PoisonedTokens(tokens, tokens.default_pair)
    (poison,) = accepted(consumer, 1, output_token=PoisonedTokens.poison)
    others = accepted(consumer, 9)

    _, unfinished = consumer.run()

    assert unfinished == []
    assert {consumer.status(each) for each in others} == {OrderStatus.CONFIRMED}
    assert last_data(consumer, poison)["code"] == Code.INTERNAL_ERROR
    (defect,) = defects(caplog)
    assert (defect["order_id"], defect["doing"]) == (str(poison), "planning")
    assert defect["raised"] == "ZeroDivisionError('planted')"


@pytest.mark.parametrize("fails_at", ["viewing", "confirming"])
def test_poison_after_the_send_comes_back_alone_and_is_confirmed_once_cured(
    consumer: Consumer, fails_at: str, caplog: pytest.LogCaptureFixture
) -> None:
    chain = poisoned(consumer, fails_at)
    chain.poison, *others = accepted(consumer, 10)

    received, unfinished = consumer.run()

    assert len(received) == 10
    assert len(unfinished) == 1
    assert {consumer.status(each) for each in others} == {OrderStatus.CONFIRMED}
    assert consumer.status(chain.poison) is OrderStatus.SUBMITTED
    assert {each["order_id"] for each in defects(caplog)} == {str(chain.poison)}

    chain.fails_at = ""
    consumer.put(ResumeMessage(order_id=chain.poison).model_dump_json())
    consumer.run()
    assert consumer.status(chain.poison) is OrderStatus.CONFIRMED


def test_poison_while_sending_keeps_no_other_from_being_sent(consumer: Consumer) -> None:
    chain = poisoned(consumer, "sending")
    chain.poison, *others = accepted(consumer, 10)
    consumer.services.settings = consumer.services.settings.model_copy(update={"confirmation_wait_ms": 500})

    _, unfinished = consumer.run()

    assert len(unfinished) == 1
    assert {consumer.status(each) for each in others} == {OrderStatus.CONFIRMED}
    assert consumer.status(chain.poison) is OrderStatus.SUBMITTED


BAD = {**BAD_BODIES, **{name: an_order_body(**members) for name, members in BAD_ORDERS.items()}}
# SQS itself refuses these characters, and so no message has them.
NOT_FOR_SQS = {"nothing", "lone surrogate", "NUL"}
SENDABLE = [body for name, body in BAD.items() if name not in NOT_FOR_SQS]


@pytest.mark.parametrize("start", range(0, len(SENDABLE), 9))
def test_bad_messages_are_reported_alone_and_the_good_one_among_them_is_confirmed(
    consumer: Consumer, start: int
) -> None:
    bad = SENDABLE[start : start + 9]
    consumer.put(*bad)
    (good,) = accepted(consumer, 1)

    received, unfinished = consumer.run()

    assert len(received) == len(bad) + 1
    assert len(unfinished) == len(bad)
    assert consumer.status(good) is OrderStatus.CONFIRMED


@pytest.mark.parametrize("start", range(0, len(SENDABLE), 9))
def test_bad_dead_letters_are_archived_each_and_the_good_one_among_them_ends(
    consumer: Consumer, start: int
) -> None:
    connections = FakeConnections()  # nothing listens where the fixture's point to
    vars(consumer.services)["connections"] = connections
    bad = SENDABLE[start : start + 9]
    good = an_order_now()
    consumer.put(*bad, OrderMessage(order=good).model_dump_json())

    received, stay = consumer.resolve()

    assert stay == []
    assert consumer.status(good.order_id) is OrderStatus.FAILED
    reasons = archived(consumer, received)
    assert len(reasons) == len(received)
    assert sum(reason.startswith("not a message of this engine: ") for reason in reasons) == len(bad)


def test_connection_is_told_that_its_order_could_not_be_read(consumer: Consumer) -> None:
    connections = FakeConnections()
    vars(consumer.services)["connections"] = connections
    order = an_order_now()
    consumer.put(an_order_body(order_id=str(order.order_id), amount_units=-5))

    consumer.resolve()

    (frame,) = map(json.loads, connections.frames["c="])
    assert (frame["type"], frame["code"]) == ("error", Code.INTERNAL_ERROR)
    assert frame["orderId"] == str(order.order_id)


def test_dead_letter_of_a_newer_release_ends_its_order_without_executing_it(consumer: Consumer) -> None:
    order = an_order_now()
    message = json.loads(OrderMessage(order=order).model_dump_json())
    message["order"]["limit_price"] = "150"
    consumer.put(json.dumps(message))

    _, stay = consumer.resolve()

    assert stay == []
    events = consumer.services.queries.events_after(order.order_id, 0, limit=100)
    assert [event.status for event in events] == [OrderStatus.PENDING, OrderStatus.FAILED]
    assert VIEWS.fields(events[-1])["code"] == Code.INTERNAL_ERROR


def test_unreadable_dead_letter_leaves_its_order_on_record_to_the_sweep(consumer: Consumer) -> None:
    chain = poisoned(consumer, "viewing")
    (chain.poison,) = accepted(consumer, 1)
    consumer.run()
    consumer.put(an_order_body(order_id=str(chain.poison), amount_units=-5))

    received, stay = consumer.resolve()

    assert stay == []
    assert len(archived(consumer, received)) == 1
    assert consumer.status(chain.poison) is OrderStatus.SUBMITTED


def test_dead_letter_that_runs_into_a_defect_is_archived_and_the_others_are_resolved(
    consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    chain = poisoned(consumer, "viewing")
    (chain.poison,) = accepted(consumer, 1)
    consumer.run()
    others = [an_order_now() for _ in range(9)]
    caplog.clear()
    consumer.put(
        ResumeMessage(order_id=chain.poison).model_dump_json(),
        *(OrderMessage(order=each).model_dump_json() for each in others),
    )

    received, stay = consumer.resolve()

    assert stay == []
    assert {consumer.status(each.order_id) for each in others} == {OrderStatus.FAILED}
    assert "a defect of ours: IndexError" in archived(consumer, received)
    assert {each["order_id"] for each in defects(caplog)} == {str(chain.poison)}


def archived(consumer: Consumer, message_ids: list[str]) -> list[str]:
    with consumer.services.engine.connect() as connection:
        found = connection.execute(
            text("SELECT reason FROM dead_letters WHERE message_id = ANY(:ids)"), {"ids": message_ids}
        )
        return list(found.scalars())


def test_order_for_a_token_that_a_release_delists_fails_alone_with_a_reason(consumer: Consumer) -> None:
    gone = an_order_now(output_token="GONE")  # no password
    consumer.put(OrderMessage(order=gone).model_dump_json())
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
    consumer.put(OrderMessage(order=gone).model_dump_json())
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
    consumer.put(ResumeMessage(order_id=chain.poison).model_dump_json())

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
    consumer.put(ResumeMessage(order_id=chain.poison).model_dump_json(), "resumed", "garbage")
    others = accepted(consumer, 7)
    again = consumer.services.queries.page("local", status=OrderStatus.CONFIRMED, limit=1, before=None)
    consumer.put(*(ResumeMessage(order_id=each.state.order.order_id).model_dump_json() for each in again))

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


def test_realized_slippage_of_rows_with_the_old_name_reads_right(consumer: Consumer) -> None:
    (order_id,) = accepted(consumer, 1)
    consumer.run()
    with consumer.services.engine.begin() as connection:
        # As a release before this one wrote it: events cannot be changed with the triggers on.
        connection.execute(text("ALTER TABLE order_events DISABLE TRIGGER USER"))
        connection.execute(
            text("""
            UPDATE order_events
            SET data = (data - 'realizedSlippageBps') || jsonb_build_object('slippageBps', '1.25')
            WHERE order_id = CAST(:id AS uuid) AND status = 'confirmed'
            """),
            {"id": str(order_id)},
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
    consumer.put(OrderMessage(order=late).model_dump_json())
    consumer.run()
    assert consumer.status(late.order_id) is OrderStatus.EXPIRED


def test_archived_order_that_is_not_on_record_is_sent_again_and_executed_once(consumer: Consumer) -> None:
    order = an_order_now()
    with consumer.services.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dead_letters (message_id, order_id, body, receive_count, reason)"
                " VALUES ('m1', CAST(:id AS uuid), :body, 10, 'a defect of ours')"
            ),
            {"id": str(order.order_id), "body": OrderMessage(order=order).model_dump_json()},
        )
    redrive = consumer.services.redrive_dead_letters
    # Twice, as two operators may at the same moment.
    assert redrive.redrive("m1", operator="olga") == redrive.redrive("m1", operator="omar") == order.order_id
    consumer.run()
    assert consumer.status(order.order_id) is OrderStatus.CONFIRMED
    with consumer.services.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM attempts")).scalar_one() == 1
    with pytest.raises(ConflictError):
        redrive.redrive("m1", operator="olga")
