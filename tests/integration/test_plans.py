"""How the server reaches rows, of statements that it plans while their tables are as good as empty."""

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.order_record import _RECORD

_PARAMETERS = dict.fromkeys(("steps", "events", "attempts", "outcomes"), "[]")


def test_orders_are_moved_on_by_key_when_the_plan_was_made_of_an_empty_table(database_url: str) -> None:
    engine = make_engine(database_url, pool_size=1)
    sql, _ = _RECORD.written_for(engine.dialect, _PARAMETERS)
    with engine.connect() as connection:
        # As a migration sets it for a database; copies of one, as tests have them, are without it.
        connection.exec_driver_sql("SET LOCAL random_page_cost = 1.1")
        explained = connection.exec_driver_sql(f"EXPLAIN (GENERIC_PLAN) {sql}").scalars().all()
    engine.dispose()
    plan = "\n".join(explained)
    assert "Index Scan using orders_pkey on orders" in plan
    assert "Seq Scan on orders" not in plan
