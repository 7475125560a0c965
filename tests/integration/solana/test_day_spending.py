"""Caps per order and day hold over all that is signed, whichever process signs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.solana.day_spending import SETTLED_MAX, DaySpending
from chalicelib.adapters.solana.spending import Spend, SpendCaps
from chalicelib.domain.errors import DayCapError, RefusedError, RetryableError
from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import NewOrder
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.services.consumer import transitions
from tests.contract.records import on_postgres
from tests.fakes.orders import NOON, advanced, an_order, changed

CAPS = {"SOL": SpendCaps(10, 25), "USDC": SpendCaps(100, 100)}


@pytest.fixture(params=["postgresql", "postgresql+psycopg"])
def engine(request: pytest.FixtureRequest, database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url.replace("postgresql://", f"{request.param}://"))
    yield made
    made.dispose()


@pytest.fixture
def spending(engine: Engine) -> DaySpending:
    return DaySpending(engine, CAPS, is_demanded=True)


def spend(units: int, symbol: str = "SOL", order_id: UUID | None = None) -> Spend:
    return Spend(order_id or uuid4(), symbol, units)


def test_orders_are_taken_up_to_the_days_cap_and_a_retry_counts_once(spending: DaySpending) -> None:
    again = spend(10)
    spending.reserve([again, spend(5)])
    spending.reserve([again])
    spending.reserve([spend(10), spend(100, "USDC")])
    for more in (spend(1), spend(1, "USDC")):
        with pytest.raises(RefusedError, match="than is left of the day's cap"):
            spending.reserve([more])
    spending.reserve([again])


def test_second_order_of_an_id_lowers_nothing_of_what_the_first_may_spend(spending: DaySpending) -> None:
    first = spend(10)
    spending.reserve([first])
    spending.reserve([spend(1, order_id=first.order_id)])
    with pytest.raises(RetryableError, match="another token"):
        spending.reserve([spend(1, "USDC", order_id=first.order_id)])
    spending.reserve([spend(10), spend(5)])
    with pytest.raises(RefusedError, match="day's cap"):
        spending.reserve([spend(1)])


def test_batch_beyond_a_cap_leaves_nothing_behind(spending: DaySpending) -> None:
    with pytest.raises(RefusedError, match="one order"):
        spending.reserve([spend(10), spend(11)])
    with pytest.raises(RefusedError, match="RAY has no cap"):
        spending.reserve([spend(10), spend(1, "RAY")])
    spending.reserve([spend(10), spend(10), spend(5)])


def test_orders_of_one_batch_add_up(spending: DaySpending) -> None:
    with pytest.raises(RefusedError, match="day's cap"):
        spending.reserve([spend(10), spend(10), spend(6)])
    spending.reserve([spend(10), spend(10), spend(5)])


def test_consumers_that_ask_at_once_do_not_both_get_what_is_left(spending: DaySpending) -> None:
    def take(_: int) -> bool:
        try:
            spending.reserve([spend(10)])
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(4) as consumers:
        assert sorted(consumers.map(take, range(4))) == [False, False, True, True]


def test_order_that_ended_without_a_fill_and_yesterdays_count_no_more(
    engine: Engine, spending: DaySpending
) -> None:
    failed, late = spend(10), spend(10)
    spending.reserve([failed, late])
    on_postgres(engine).created(an_order(order_id=failed.order_id))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE orders DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE orders SET status = 'failed', failure_code = 'NO_ROUTE'"))
        connection.execute(
            text("UPDATE spending SET day = day - 1 WHERE order_id = :late"), {"late": str(late.order_id)}
        )
    spending.reserve([spend(10), spend(10), spend(5)])


def test_order_that_rests_keeps_no_other_accounts_order_from_what_is_left_of_the_day(
    engine: Engine, spending: DaySpending
) -> None:
    """It was to be signed for, or was refused, and is at rest since, perhaps for weeks."""
    terms = {"order_type": OrderType.LIMIT, "limit": Limit("150", Rate.of(150, 1_000)), "slippage_bps": None}
    order = changed(an_order(), time_in_force=TimeInForce.GTC, valid_for_s=None, **terms)
    rests, record = spend(10, order_id=order.order_id), on_postgres(engine)
    claimed = record.created(replace(order, valid_until=None), OrderStatus.PENDING)
    spending.reserve([rests])
    spending.reserve([spend(10), spend(5)])
    resting = replace(transitions.rest(claimed, NOON), release=True)
    assert record.record.record([resting], lease_ms=0)
    spending.reserve([spend(9)])
    with pytest.raises(DayCapError):
        spending.reserve([rests])
    assert record.record.claim([order.order_id], lease_ms=60_000).claimed
    with pytest.raises(DayCapError):  # it may be signed for at this moment
        spending.reserve([spend(1)])


def test_order_that_is_signed_for_again_the_next_day_counts_on_that_day(
    engine: Engine, spending: DaySpending
) -> None:
    late = spend(10)
    spending.reserve([late])
    with engine.begin() as connection:
        connection.execute(text("UPDATE spending SET day = day - 1"))
    spending.reserve([late, spend(10), spend(5)])
    with pytest.raises(RefusedError, match="day's cap"):
        spending.reserve([spend(1)])


def test_order_is_put_down_on_the_day_whose_cap_it_was_compared_with(
    engine: Engine, spending: DaySpending
) -> None:
    """Midnight comes between the two, on a server that has had tomorrow before, until its clock went back."""
    spending.reserve([spend(10), spend(10), spend(5)])
    late = "SELECT pg_catalog.clock_timestamp() + interval '1 day'"
    with engine.begin() as connection:
        connection.execute(text("UPDATE spending SET day = day + 1"))
        connection.execute(text("CREATE SCHEMA late"))
        connection.execute(
            text(f"CREATE FUNCTION late.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $${late}$$")
        )
        connection.execute(text("SELECT set_config('search_path', 'late, pg_catalog, public', false)"))
    spending.reserve([spend(10)])
    with engine.begin() as connection:
        by_day = connection.execute(text("SELECT sum(units) FROM spending GROUP BY day ORDER BY day"))
        assert by_day.scalars().all() == [10, 25]


def test_order_under_way_counts_and_filled_ones_add_up_as_they_end(
    engine: Engine, spending: DaySpending
) -> None:
    first, second, under_way = spend(10), spend(6), spend(5)
    spending.reserve([first, second, under_way])
    record = on_postgres(engine)
    for each in (first, second, under_way):
        record.created(an_order(order_id=each.order_id))
    for filled in (first, second):
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE orders DISABLE TRIGGER USER"))
            connection.execute(
                text("""
                UPDATE orders SET status = 'confirmed', tx_signature = 'it', input_units = :units,
                    output_units = 1 WHERE order_id = :it"""),
                {"it": filled.order_id, "units": filled.units},
            )
        spending.reserve([spend(1)])
    spending.reserve([spend(2)])
    with pytest.raises(RefusedError, match="day's cap"):
        spending.reserve([spend(1)])


def test_filled_order_counts_to_the_days_end_however_often_what_is_left_is_asked(
    engine: Engine, spending: DaySpending
) -> None:
    filled, failed, again = spend(10), spend(10), spend(5)
    spending.reserve([filled, failed, again])
    record = on_postgres(engine)
    for each in (filled, failed):
        record.created(an_order(order_id=each.order_id))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE orders DISABLE TRIGGER USER"))
        connection.execute(
            text("""
            UPDATE orders SET status = 'confirmed', tx_signature = 'it', input_units = 10, output_units = 1
            WHERE order_id = :it"""),
            {"it": filled.order_id},
        )
        connection.execute(
            text("UPDATE orders SET status = 'failed', failure_code = 'NO_ROUTE' WHERE order_id = :it"),
            {"it": failed.order_id},
        )
    for _ in range(3):
        spending.reserve([again])
    spending.reserve([spend(10)])
    with pytest.raises(RefusedError, match="day's cap"):
        spending.reserve([spend(1)])


def test_what_was_put_down_for_a_larger_order_of_the_same_id_is_not_counted_once_the_smaller_is_filled(
    engine: Engine, spending: DaySpending
) -> None:
    filled = spend(1)
    spending.reserve([filled])
    spending.reserve([spend(10, order_id=filled.order_id)])
    on_postgres(engine).created(an_order(order_id=filled.order_id))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE orders DISABLE TRIGGER USER"))
        connection.execute(
            text("""
            UPDATE orders SET status = 'confirmed', tx_signature = 'it', input_units = 1, output_units = 1""")
        )
    spending.reserve([spend(10), spend(10), spend(4)])
    with pytest.raises(RefusedError, match="day's cap"):
        spending.reserve([spend(1)])


def test_ended_orders_that_are_left_to_settle_count_each_by_its_own_status(
    engine: Engine, spending: DaySpending
) -> None:
    under_way = spend(10)
    spending.reserve([under_way])
    store = on_postgres(engine)
    states = [advanced(OrderState(an_order()), OrderStatus.PENDING) for _ in range(SETTLED_MAX + 1)]
    store.record.create([NewOrder(state, events, None) for state, events in states], lease_ms=0)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE orders SET status = 'failed', failure_code = 'NO_ROUTE'"))
        connection.execute(
            text("""
            INSERT INTO spending (order_id, day, token, units)
            SELECT order_id, (now() AT TIME ZONE 'UTC')::date, 'SOL', 10 FROM orders""")
        )
    store.created(an_order(order_id=under_way.order_id))
    spending.reserve([spend(10)])
    with pytest.raises(RefusedError, match="day's cap"):
        spending.reserve([spend(6)])


def test_days_and_tokens_are_settled_each_by_itself(engine: Engine, spending: DaySpending) -> None:
    def fill(sol: int, usdc: int) -> None:
        for symbol, units in (("SOL", sol), ("USDC", usdc)):
            filled = spend(units, symbol)
            spending.reserve([filled])
            on_postgres(engine).created(an_order(order_id=filled.order_id))
            with engine.begin() as connection:
                connection.execute(text("SET LOCAL session_replication_role = replica"))
                connection.execute(
                    text("""
                    UPDATE orders SET status = 'confirmed', tx_signature = 'it', input_units = :units,
                        output_units = 1 WHERE order_id = :it"""),
                    {"it": filled.order_id, "units": units},
                )

    def settle() -> None:
        for symbol in ("SOL", "USDC"):
            spending.reserve([spend(1, symbol)])

    fill(10, 30)
    settle()
    fill(9, 20)  # what ends last on a day is left to be settled
    with engine.begin() as connection:
        for table in ("spending", "spent_days"):
            connection.execute(text(f"UPDATE {table} SET day = day - 1"))  # noqa: S608 - see above
    fill(10, 30)
    settle()
    spending.reserve([spend(10), spend(4), spend(69, "USDC")])
    for symbol in ("SOL", "USDC"):
        with pytest.raises(RefusedError, match="day's cap"):
            spending.reserve([spend(1, symbol)])


def test_token_without_a_cap_is_free_where_caps_are_not_demanded(engine: Engine) -> None:
    DaySpending(engine, CAPS, is_demanded=False).reserve([spend(10**18, "RAY")])
