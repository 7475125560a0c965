"""Internal errors of PostgreSQL (SQLSTATE XX000) over a statement, through the real consumers."""

from collections.abc import Callable, Iterator, Mapping

import pytest
from sqlalchemy import text

from chalicelib.domain.statuses import OrderStatus
from tests.integration.consumer import Consumer
from tests.integration.poison import accepted

# What a sequence has counted is not undone with the statement.
FAILING = """
CREATE SEQUENCE planted_faults;
CREATE FUNCTION planted_fault() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF nextval('planted_faults') <= {times} THEN
        RAISE EXCEPTION 'planted' USING ERRCODE = 'XX000';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER planted AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION planted_fault();
"""
SOUND = "DROP FUNCTION IF EXISTS planted_fault CASCADE; DROP SEQUENCE IF EXISTS planted_faults"
NO_LEASES = """
SET LOCAL session_replication_role = replica;
UPDATE orders SET lease_until = clock_timestamp(), updated_at = clock_timestamp()
WHERE status NOT IN ('confirmed', 'failed', 'canceled', 'expired')
"""

Plant = Callable[[str, str, int], None]


@pytest.fixture
def plant(consumer: Consumer) -> Iterator[Plant]:
    """Have so many statements fail that write to a table."""

    def run(sql: str) -> None:
        with consumer.services.engine.begin() as connection:
            connection.execute(text(sql))

    def planted(table: str, event: str, times: int) -> None:
        run(FAILING.format(table=table, event=event, times=times))

    yield planted
    run(SOUND)


@pytest.mark.parametrize(
    ("table", "event"),
    [("attempts", "INSERT"), ("attempts", "UPDATE"), ("order_events", "INSERT"), ("orders", "UPDATE")],
)
@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("times", [2, 4])
def test_orders_execute_once_the_database_has_recovered(
    consumer: Consumer, plant: Plant, table: str, event: str, number: int, times: int
) -> None:
    retry_in = consumer.services.queue.retry_in

    def at_once(seconds: Mapping[str, int]) -> None:
        retry_in(dict.fromkeys(seconds, 0))

    consumer.services.queue.retry_in = at_once  # type: ignore[method-assign]
    plant(table, event, times)
    orders = accepted(consumer, number)
    for _ in range(9):
        consumer.run()
        statuses = {consumer.status(each) for each in orders}
        assert OrderStatus.FAILED not in statuses
        if statuses == {OrderStatus.CONFIRMED}:
            return
        with consumer.services.engine.begin() as connection:
            connection.execute(text(NO_LEASES))
    pytest.fail(f"the orders are {statuses}")
