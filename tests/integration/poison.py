"""What fails over one order, and what is asked of the record afterwards."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chalicelib.domain.orders import Order
from chalicelib.domain.tokens import Token, Tokens
from chalicelib.domain.transactions import ChainView, SignedTransaction, SwapInstruction
from chalicelib.services.ports import Chain, OrderView
from chalicelib.wire.order_views import order_view
from tests.fakes.orders import VIEWS, an_order, changed, terms
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

    def surely_dead(
        self, transactions: Sequence[SignedTransaction], *, margin_blocks: int
    ) -> Collection[str]:
        return self._chain.surely_dead(transactions, margin_blocks=margin_blocks)


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
