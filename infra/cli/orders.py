"""``orderflow orders`` and ``orderflow order ID``: what the record says."""

from typing import Any, Final
from uuid import UUID

import click
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy import text

from chalicelib.domain.statuses import OrderStatus
from infra.cli.session import CliSession

_LIST: Final = text("""
SELECT order_id::text, account_id, status, seq, attempt, input_token, output_token, amount_units::text,
       failure_code, accepted_at::text, updated_at::text
FROM orders
WHERE (CAST(:status AS text) IS NULL OR status = :status)
  AND (CAST(:account AS text) IS NULL OR account_id = :account)
ORDER BY accepted_at DESC LIMIT :limit
""")
_ORDER: Final = text("SELECT to_jsonb(o) FROM orders o WHERE order_id = CAST(:order_id AS uuid)")
_EVENTS: Final = text("""
SELECT to_jsonb(e) FROM order_events e WHERE order_id = CAST(:order_id AS uuid) ORDER BY seq
""")
_ATTEMPTS: Final = text("""
SELECT to_jsonb(a) - 'payload' FROM attempts a WHERE order_id = CAST(:order_id AS uuid) ORDER BY attempt
""")


@click.command()
@click.option("--status", type=click.Choice([status.value for status in OrderStatus]), help="Only these.")
@click.option("--account", help="Only this account's.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.pass_obj
def orders(session: CliSession, status: str | None, account: str | None, limit: int) -> None:
    """List orders, newest first."""
    parameters = {"status": status, "account": account, "limit": limit}
    with session.engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(_LIST, parameters).mappings()]
    session.show(rows, lambda console: _print_list(console, rows))


@click.command()
@click.argument("order_id", type=click.UUID)
@click.pass_obj
def order(session: CliSession, order_id: UUID) -> None:
    """Show one order with its events and attempts."""
    parameters = {"order_id": str(order_id)}
    with session.engine.connect() as connection:
        found = connection.execute(_ORDER, parameters).scalar()
        if found is None:
            raise click.ClickException(f"there is no order {order_id}")
        events = list(connection.execute(_EVENTS, parameters).scalars())
        attempts = list(connection.execute(_ATTEMPTS, parameters).scalars())
    facts = {"order": found, "events": events, "attempts": attempts}
    session.show(facts, lambda console: _print_order(console, facts))


def _print_list(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table("accepted", Column("order", no_wrap=True), "account", "pair", "status", "attempt", "code")
    for row in rows:
        pair = f"{row['input_token']}->{row['output_token']}"
        status, attempt, code = row["status"], str(row["attempt"]), row["failure_code"] or ""
        table.add_row(
            row["accepted_at"][:19], row["order_id"], row["account_id"], pair, status, attempt, code
        )
    console.print(table)


def _print_order(console: Console, facts: dict[str, Any]) -> None:
    for name, value in facts["order"].items():
        if value is not None:
            console.print(f"{name:>16}  {value}", highlight=False)
    for title, rows in (("event", facts["events"]), ("attempt", facts["attempts"])):
        for row in rows:
            shown = {key: value for key, value in row.items() if key != "order_id" and value is not None}
            console.print(f"{title}  {shown}", highlight=False)
