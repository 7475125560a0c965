"""A record is of one chain at a time: what has not ended keeps it there, and each audit looks at its own."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, event, text

from chalicelib.adapters.postgres.chains import note_chain, orders_elsewhere
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.bootstrap.audit import audit
from chalicelib.config import ChainName, ClusterName, ConfigurationError
from chalicelib.domain.statuses import OrderStatus
from chalicelib.migrations.roles import APP_ROLE
from chalicelib.prepare import prepare
from infra.cli.orderflow import orderflow
from tests.contract.records import on_postgres
from tests.fakes.orders import an_order


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    prepare(database_url)
    made = make_engine(database_url)
    yield made
    made.dispose()


def a_confirmed_order(engine: Engine) -> UUID:
    """Put an order on record that is confirmed by a transaction that the simulated ledger does not have."""
    order, store = an_order(), on_postgres(engine)
    store.moved(store.begun(order)[order.order_id], OrderStatus.CONFIRMED)
    return order.order_id


def broken_rules(engine: Engine) -> set[str]:
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        found = audit(connection, chain=ChainName.SIMULATED, must_be_finished=False)
        return {each.check for violations in found for each in violations}


def chains(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT name FROM chains ORDER BY chain_id")).scalars())


def test_unfinished_order_keeps_the_record_on_its_chain(engine: Engine, database_url: str) -> None:
    order, store = an_order(), on_postgres(engine)
    begun = store.begun(order)[order.order_id]

    with pytest.raises(ConfigurationError, match="the simulated market and has 1 order that has not ended"):
        prepare(database_url, ChainName.SOLANA, ClusterName.MAINNET)
    prepare(database_url)

    assert chains(engine) == ["simulated"]
    store.moved(begun, OrderStatus.CONFIRMED)
    prepare(database_url, ChainName.SOLANA, ClusterName.MAINNET)
    assert chains(engine) == ["simulated", "solana/mainnet"]


def test_order_of_one_cluster_goes_on_on_no_other(engine: Engine) -> None:
    note_chain(engine, "solana/devnet")
    on_postgres(engine).begun(an_order())

    with pytest.raises(ConfigurationError, match=r"Solana's devnet .* would go on on Solana's mainnet"):
        note_chain(engine, "solana/mainnet")


def test_functions_login_cannot_say_where_orders_execute(engine: Engine) -> None:
    functions = make_engine(engine.url.render_as_string(hide_password=False))

    @event.listens_for(functions, "connect")
    def log_in(connection: Any, _: object) -> None:
        connection.cursor().execute(f"SET ROLE {APP_ROLE}")

    note_chain(functions, "simulated")
    with pytest.raises(ConfigurationError, match="Solana's mainnet its owner has to prepare it"):
        note_chain(functions, "solana/mainnet")
    functions.dispose()


def test_what_executed_on_another_chain_is_not_called_lost_on_this_one(engine: Engine) -> None:
    note_chain(engine, "solana/local")
    a_confirmed_order(engine)
    note_chain(engine, "simulated")

    assert not {rule for rule in broken_rules(engine) if "landed" in rule or "ledger" in rule}
    with engine.connect() as connection:
        assert orders_elsewhere(connection, "simulated") == {"solana/local": 1}
        assert not orders_elsewhere(connection, "solana/local")


def test_what_executed_on_no_chain_is_found_as_ever(engine: Engine) -> None:
    a_confirmed_order(engine)

    assert {
        "every confirmed order has exactly one landed transaction",
        "the outcome of an attempt is what the ledger says of it",
    } <= broken_rules(engine)


def test_audit_of_one_chain_says_what_another_would_have_to_be_asked(engine: Engine) -> None:
    note_chain(engine, "solana/devnet")
    a_confirmed_order(engine)
    note_chain(engine, "simulated")

    url = engine.url.render_as_string(hide_password=False)
    result = CliRunner().invoke(orderflow, ["--database-url", url, "audit", "--chain", "simulated"])

    assert "Not compared: what was executed on Solana's devnet, orders: 1." in result.output
    told = CliRunner().invoke(orderflow, ["--database-url", url, "--json", "audit", "--chain", "simulated"])
    unknown = [each["unknown"] for each in json.loads(told.output) if each.get("unknown")]
    assert [[one["subject"] for one in each] for each in unknown] == [["solana/devnet"]]
