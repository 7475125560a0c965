"""Trades of no order, which move the market: only who owns it makes them, and they hold up nobody's."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.chain import MarketChain
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard, Faults
from chalicelib.adapters.simulated_market.settings import MarketSettings
from chalicelib.domain.transactions import SignatureStatus
from chalicelib.migrations.roles import APP_ROLE, grant
from infra.cli.market_maker import MarketMaker
from tests.integration.simulated_market.conftest import (
    AT_ONCE,
    DIRECT,
    WALLET_SEED,
    MarketUnderTest,
    a_swap,
    status_of,
)

SLOW = MarketSettings(quote_latency_ms=0, settlement_latency_ms=100, is_faucet_on=True)


@pytest.fixture
def functions(market: MarketUnderTest) -> Iterator[Engine]:
    """The database with the rights of deployed functions."""
    assert grant(market.engine)
    engine = make_engine(market.url)

    def with_their_rights(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET ROLE {APP_ROLE}")
        connection.commit()

    event.listen(engine, "connect", with_their_rights)
    yield engine
    engine.dispose()


def test_functions_take_a_trade_of_no_order_off_and_land_what_waits_behind_it(
    market: MarketUnderTest, functions: Engine
) -> None:
    node = market.node(SLOW)
    orderless, ordered = node.sign([a_swap(order_id=UUID(int=0)), a_swap()])
    node.send([orderless])
    node.send([ordered])
    market.pass_blocks(10)
    theirs = MarketChain(
        functions,
        lambda: WALLET_SEED,
        market.tokens,
        AT_ONCE,
        faults=FaultBoard(functions, noticed_within_s=0),
    )
    assert status_of(theirs, ordered).signature_status is SignatureStatus.LANDED
    assert status_of(theirs, orderless).signature_status is SignatureStatus.UNKNOWN
    assert market.violations() == []


def test_command_moves_the_price_at_once_whatever_faults_the_orders_meet(market: MarketUnderTest) -> None:
    FaultBoard(market.engine).set(Faults(error_before_rate=1, drop_rate=1, extra_delay_ms=60_000))
    maker = MarketMaker(market.engine, load_market())
    before = maker.prices()[DIRECT][1]
    assert maker.trade_to({DIRECT: before * Fraction(11, 10)}, market.now_s())
    after = maker.prices()[DIRECT][1]
    assert abs(after / before - Fraction(11, 10)) < Fraction(1, 100)
    assert market.violations() == []
