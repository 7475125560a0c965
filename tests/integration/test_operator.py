"""The operator's commands on a real database: what they show, and what the audit finds."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.order_record import PostgresOrderRecord
from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import NewOrder
from chalicelib.domain.statuses import OrderStatus
from infra.cli.order_ids import both_ends
from infra.cli.orderflow import orderflow
from infra.cli.session import CliSession
from tests.fakes.orders import VIEWS, advanced, an_order

Run = Callable[..., Result]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def run(database_url: str) -> Run:
    """Run a command on the test's database, printing JSON."""
    return lambda *words: CliRunner().invoke(orderflow, ["--database-url", database_url, "--json", *words])


@pytest.fixture
def order_id(engine: Engine) -> str:
    """An order on record that expired."""
    state, events = advanced(OrderState(an_order()), OrderStatus.PENDING, OrderStatus.EXPIRED)
    PostgresOrderRecord(engine, VIEWS).create([NewOrder(state, events, None)], lease_ms=1_000)
    return str(state.order.order_id)


def shown(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_orders_are_listed_and_filtered_by_status(run: Run, order_id: str) -> None:
    assert [row["order_id"] for row in shown(run("orders"))] == [order_id]
    assert [row["order_id"] for row in shown(run("orders", "--status", "expired"))] == [order_id]
    assert shown(run("orders", "--status", "failed")) == []


def test_order_is_shown_with_its_events(run: Run, order_id: str) -> None:
    facts = shown(run("order", order_id))
    assert facts["order"]["status"] == "expired"
    assert [(event["seq"], event["status"]) for event in facts["events"]] == [(1, "pending"), (2, "expired")]


def test_order_is_found_by_the_beginning_that_the_list_shows(
    run: Run, database_url: str, order_id: str
) -> None:
    listed = CliRunner().invoke(orderflow, ["--database-url", database_url, "orders"]).output.splitlines()
    beginning = listed[1].split()[0]
    assert order_id.startswith(beginning)
    assert len(beginning) == 8
    assert shown(run("order", beginning))["order"]["order_id"] == order_id
    assert shown(run("order", order_id.upper()))["order"]["order_id"] == order_id


def test_amounts_are_shown_with_the_decimals_of_the_tokens_that_are_traded(
    run: Run, database_url: str, order_id: str, tmp_path: Path
) -> None:
    """As the engine has them: on another cluster a symbol may be another mint's."""
    listed = Path("chalicelib/tokens.toml").read_text("utf-8")
    path = tmp_path / "tokens.toml"
    path.write_text(listed.replace("SOL     = { scale = 9", "SOL     = { scale = 10"))
    assert shown(run("order", order_id))["order"]["amount_units"] == 10**9
    command = ["--database-url", database_url]
    for words in (["orders"], ["order", order_id]):
        told = CliRunner().invoke(orderflow, [*command, *words], env={"TOKENS_FILE": str(path)}).output
        assert " 0.1 SOL" in told
    lost = CliRunner().invoke(orderflow, [*command, "orders"], env={"TOKENS_FILE": "/nowhere"})
    assert (lost.exit_code, "TOKENS_FILE: /nowhere" in lost.output) == (1, True)


@pytest.mark.usefixtures("order_id")
def test_orders_that_begin_alike_are_listed_apart_and_named_when_they_are_mixed_up(
    run: Run, engine: Engine, database_url: str
) -> None:
    like = ["01a21f69-7adc-7000-8000-000000000001", "01a21f69-7adc-7000-8000-000000000002"]
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE orders DISABLE TRIGGER USER"))
        names = connection.execute(
            text(
                "SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid = 'orders'::regclass"
                " AND attnum > 0 AND attgenerated = '' AND NOT attisdropped AND attname <> 'client_order_id'"
            )
        ).scalar_one()
        copied = text(
            f"INSERT INTO orders ({names}) SELECT {names} FROM (SELECT (jsonb_populate_record(o,"  # noqa: S608
            " jsonb_build_object('order_id', CAST(:id AS text)))).* FROM orders o LIMIT 1) AS copy"
        )
        for each in like:
            connection.execute(copied, {"id": each})
    listed = CliRunner().invoke(orderflow, ["--database-url", database_url, "orders"]).output
    assert all(each in listed for each in like)
    result = run("order", "01a21f69")
    assert result.exit_code == 1
    assert all(each in result.output for each in like)
    for each in like:
        assert shown(run("order", both_ends(each)))["order"]["order_id"] == each
    assert "there is no order" in run("order", "01a21f69…0003").output


@pytest.mark.usefixtures("order_id")
def test_list_of_orders_fits_eighty_columns_with_nothing_cut_off(database_url: str) -> None:
    listed = (
        CliRunner()
        .invoke(orderflow, ["--database-url", database_url, "orders"], env={"COLUMNS": "80"})
        .output
    )
    assert "…" not in listed
    assert max(map(len, listed.splitlines())) <= 80
    assert "expired" in listed
    assert "SOL → USDC" in listed


def test_list_that_ends_before_the_orders_do_says_so(run: Run, engine: Engine, database_url: str) -> None:
    for _ in range(3):
        state, events = advanced(OrderState(an_order()), OrderStatus.PENDING, OrderStatus.EXPIRED)
        PostgresOrderRecord(engine, VIEWS).create([NewOrder(state, events, None)], lease_ms=1_000)
    for limit, lines in (2, 1 + 2 + 1), (3, 1 + 3):
        words = ["--database-url", database_url, "orders", "--limit", str(limit)]
        listed = CliRunner().invoke(orderflow, words).output.splitlines()
        assert len(listed) == lines
        assert ("newest 2" in listed[-1]) is (limit == 2)
        assert len(shown(run("orders", "--limit", str(limit)))) == limit


def test_times_are_utc_whatever_the_zone_of_the_server(
    run: Run, engine: Engine, database_url: str, order_id: str
) -> None:
    name = database_url.rpartition("/")[2]
    with engine.begin() as connection:
        accepted_at = connection.execute(text("SELECT accepted_at FROM orders")).scalar_one().astimezone(UTC)
        connection.execute(text(f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'"))
        connection.execute(text("INSERT INTO dead_letters VALUES ('m1', NULL, 'garbage', 10, 'not ours')"))
    engine.dispose()
    (row,) = shown(run("orders"))
    assert row["accepted_at"] == accepted_at.isoformat()
    assert shown(run("dead-letters", "list"))[0]["archived_at"].endswith("+00:00")
    for words in (["orders"], ["orders", "--wide"], ["order", order_id]):
        result = CliRunner().invoke(orderflow, ["--database-url", database_url, *words])
        assert f"{accepted_at:%m-%d %H:%M:%S}" in result.output


def test_list_of_no_dead_letters_says_what_it_would_list(database_url: str) -> None:
    result = CliRunner().invoke(orderflow, ["--database-url", database_url, "dead-letters", "list"])
    assert result.output.split() == ["archived", "order", "reason"]


def test_unknown_order_is_a_clear_error(run: Run) -> None:
    result = run("order", "0192f3a4-5b6c-7d8e-9f01-23456789abcd")
    assert result.exit_code == 1
    assert "there is no order" in result.output


def test_archived_dead_letters_are_listed_with_their_reason(run: Run, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO dead_letters VALUES ('m1', NULL, 'garbage', 10, 'not ours')"))
    assert [(row["message_id"], row["reason"]) for row in shown(run("dead-letters", "list"))] == [
        ("m1", "not ours")
    ]


@pytest.mark.usefixtures("order_id")
def test_audit_of_a_sound_database_finds_nothing(run: Run) -> None:
    assert not [check for check in shown(run("audit", "--finished")) if check["violations"]]


FORGED_TRANSACTION = """
    INSERT INTO market.transactions
    SELECT 'sig', 1, 1, 'w', order_id, 1, NULL, 1, 1, '[]', now() FROM orders
"""


@pytest.mark.usefixtures("order_id")
@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        ("DELETE FROM order_events WHERE seq = 1", "numbered 1, 2, 3"),
        ("UPDATE order_events SET status = 'canceled' WHERE seq = 2", "the last event says"),
        ("UPDATE order_events SET status = 'submitted' WHERE seq = 2", "the life cycle allows"),
        ("INSERT INTO market.supply VALUES ('SOL', 1)", "what was issued"),
        (FORGED_TRANSACTION, "every landed transaction belongs"),
        (FORGED_TRANSACTION, "before it was on record"),
    ],
)
def test_audit_names_what_is_broken_and_fails(run: Run, engine: Engine, damage: str, broken: str) -> None:
    with engine.begin() as connection:
        # As one who owns the tables can: what only the functions cannot do has to be found all the same.
        connection.execute(text("ALTER TABLE order_events DISABLE TRIGGER USER"))
        connection.execute(text(damage))
    result = run("audit")
    assert result.exit_code == 1
    found = [check["check"] for check in json.loads(result.output) if check["violations"]]
    assert any(broken in check for check in found), found


@pytest.mark.usefixtures("order_id")
def test_audit_of_the_record_needs_nothing_of_the_simulated_market(run: Run, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA market CASCADE"))
    checks = shown(run("audit", "--chain", "solana"))
    assert checks
    assert not [check for check in checks if check["violations"]]
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE order_events DISABLE TRIGGER USER"))
        connection.execute(text("DELETE FROM order_events WHERE seq = 1"))
    assert run("audit", "--chain", "solana").exit_code == 1


@pytest.mark.usefixtures("order_id")
@pytest.mark.parametrize(
    ("attempts", "event", "broken"),
    [
        ([], {"txSignature": "a"}, "exactly one attempt that landed"),
        (["b"], {"txSignature": "a"}, "exactly one attempt that landed"),
        (["a"], {"txSignature": "b"}, "is what the record shows"),
        (["a"], {"inputAmount": "2"}, "is what the record shows"),
        (["a"], {"outputAmount": "2"}, "is what the record shows"),
        (["a"], {"unspentInputAmount": "0.5"}, "is what the record shows"),
    ],
)
def test_audit_of_the_record_finds_what_needs_no_ledger(
    run: Run, engine: Engine, attempts: list[str], event: dict[str, str], broken: str
) -> None:
    told = {"txSignature": "a", "inputAmount": "1", "outputAmount": "1"} | event
    with engine.begin() as connection:
        for table in ("orders", "order_events"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        connection.execute(
            text("""
                UPDATE orders SET status = 'confirmed', tx_signature = 'a', input_token = 'SOL',
                    output_token = 'USDC', input_units = 1000000000, output_units = 1000000
            """)
        )
        connection.execute(
            text("UPDATE order_events SET status = 'confirmed', data = CAST(:told AS jsonb) WHERE seq = 2"),
            {"told": json.dumps(told)},
        )
        for number, signature in enumerate(attempts, start=1):
            connection.execute(
                text("""
                    INSERT INTO attempts (signature, order_id, attempt, payload, last_valid_height,
                        quoted_in_units, quoted_out_units, threshold_units, fence, outcome, resolved_at)
                    SELECT :signature, order_id, :number, 'bytes', 1, 1, 1, 1, 1, 'landed', now() FROM orders
                """),
                {"signature": signature, "number": number},
            )
    result = run("audit", "--chain", "solana")
    assert result.exit_code == 1
    found = [check["check"] for check in json.loads(result.output) if check["violations"]]
    assert any(broken in check for check in found), found


def test_command_about_all_of_the_record_outlasts_the_limit_that_a_stages_server_sets(
    database_url: str, engine: Engine
) -> None:
    name = engine.url.database
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET statement_timeout = '50ms'"))
    session = CliSession(database_url, is_json=True)
    try:
        with session.patient_engine.begin() as connection:
            assert connection.execute(text("SELECT 1 FROM pg_sleep(0.2)")).scalar_one() == 1
        with pytest.raises(DBAPIError, match="statement timeout"), session.engine.begin() as connection:
            connection.execute(text("SELECT 1 FROM pg_sleep(0.2)"))
    finally:
        session.close()
