"""``orderflow orders`` and ``orderflow order ID``: what the record says."""

from collections.abc import Mapping
from typing import Any, Final

import click
from rich.console import Console
from sqlalchemy import Connection, text

from chalicelib.adapters.postgres.archive import place_of
from chalicelib.adapters.postgres.rows import written_event
from chalicelib.adapters.postgres.status_lists import index_condition
from chalicelib.domain.amounts import format_units
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.tokens import Tokens
from infra.cli.archives import archived, archives
from infra.cli.columns import column_lines
from infra.cli.moments import in_utc, to_the_second
from infra.cli.order_ids import order_of, short
from infra.cli.order_story import story_lines, terms_text
from infra.cli.parameters import Account
from infra.cli.session import CliSession

_COLUMNS: Final = """
SELECT o.order_id::text, o.account_id, o.status, o.seq, o.attempt, o.input_token, o.output_token,
       o.amount_units::text, o.failure_code, o.accepted_at, o.updated_at, o.order_type,
       o.swap_mode, o.input_units::text, o.output_units::text, o.limit_terms, o.trigger_terms,
       (SELECT n.order_id::text FROM orders n WHERE n.order_id < o.order_id
        ORDER BY n.order_id DESC LIMIT 1) AS before,
       (SELECT n.order_id::text FROM orders n WHERE n.order_id > o.order_id
        ORDER BY n.order_id LIMIT 1) AS behind
"""
_NEWEST_FIRST: Final = "ORDER BY o.accepted_at DESC, o.order_id DESC LIMIT"

# No index has the orders of all accounts by time: each order would pay for its entry. So many newest ones are
# among those of the accounts whose own newest are the newest; each account is looked up, however much it has.
_NEWEST: Final = """
WITH RECURSIVE account AS (
    SELECT account_id FROM (SELECT account_id FROM orders ORDER BY account_id LIMIT 1) AS first
    UNION ALL
    SELECT n.account_id FROM account a CROSS JOIN LATERAL (
        SELECT account_id FROM orders WHERE account_id > a.account_id ORDER BY account_id LIMIT 1) AS n
), newest AS (
    SELECT a.account_id, l.accepted_at FROM account a CROSS JOIN LATERAL (
        SELECT o.accepted_at FROM orders o WHERE o.account_id = a.account_id AND {which} {newest_first} 1
    ) AS l
    ORDER BY l.accepted_at DESC LIMIT :limit
), last AS (
    SELECT CASE WHEN count(*) = :limit THEN min(accepted_at) ELSE '-infinity' END AS at FROM newest
)
{columns}
FROM last CROSS JOIN newest n CROSS JOIN LATERAL (
    SELECT * FROM orders o WHERE o.account_id = n.account_id AND {which} AND o.accepted_at >= last.at
    {newest_first} :limit
) AS o
{newest_first} :limit
"""


_ORDER: Final = text("SELECT to_jsonb(o) FROM orders o WHERE order_id = CAST(:order_id AS uuid)")
_EVENTS: Final = text("""
SELECT to_jsonb(e) FROM order_events e WHERE order_id = CAST(:order_id AS uuid) ORDER BY seq
""")
_ATTEMPTS: Final = text("""
SELECT to_jsonb(a) - 'payload' FROM attempts a WHERE order_id = CAST(:order_id AS uuid) ORDER BY attempt
""")
_TRANSACTIONS: Final = text("""
SELECT to_jsonb(t) - 'order_id' FROM attempts a
JOIN market.transactions t ON md5(t.signature)::uuid = md5(a.signature)::uuid
WHERE a.order_id = CAST(:order_id AS uuid) ORDER BY t.ordinal
""")


@click.command()
@click.option("--status", type=click.Choice([status.value for status in OrderStatus]), help="Only these.")
@click.option("--account", type=Account(), help="Only this account's.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.option("--wide", "is_wide", is_flag=True, help="Whole ids, and all columns.")
@click.pass_obj
def orders(
    session: CliSession, status: str | None, account: str | None, limit: int, *, is_wide: bool
) -> None:
    """List orders, newest first; each id is as long as it takes to name the order."""
    # Of all accounts each is looked up, 24 µs where the server is at hand: a limit would be met at 200,000.
    engine = session.engine if account else session.patient_engine
    with engine.connect() as connection:
        rows = newest(connection, status, account, limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    neighbours = [(row.pop("before"), row.pop("behind")) for row in rows]
    ids = [short(row["order_id"], *near) for row, near in zip(rows, neighbours, strict=True)]

    def print_them(console: Console) -> None:
        _print_list(console, session.tokens, rows, ids, is_wide=is_wide)
        if more:
            console.print(f"These are the newest {limit}: there are more (--limit).", highlight=False)

    session.show(rows, print_them)


def newest(
    connection: Connection, status: str | None, account: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return the newest orders, with the ids that are next to theirs."""
    which = "true" if status is None else f"o.status = :status AND {index_condition(OrderStatus(status))}"
    of_all = _NEWEST.format(which=which, newest_first=_NEWEST_FIRST, columns=_COLUMNS)
    of_one = f"{_COLUMNS} FROM orders o WHERE o.account_id = :account AND {which} {_NEWEST_FIRST} :limit"
    parameters = {"status": status, "account": account, "limit": limit}
    rows = connection.execute(text(of_one if account else of_all), parameters).mappings()
    return [
        {**row, "accepted_at": in_utc(row["accepted_at"]), "updated_at": in_utc(row["updated_at"])}
        for row in rows
    ]


@click.command()
@click.argument("order_id")
@archives
@click.pass_obj
def order(session: CliSession, order_id: str, *, archive_url: str | None) -> None:
    """Show one order with its events and attempts, also an archived one.

    By its id, a beginning of its own, or both ends as lines of the log show them (01a21f69…6388).

    With --json all that is on record.
    """
    with session.engine.connect() as connection:
        parameters = {"order_id": order_of(connection, order_id)}
        found = connection.execute(_ORDER, parameters).scalar()
        events = [written_event(each) for each in connection.execute(_EVENTS, parameters).scalars()]
        attempts = list(connection.execute(_ATTEMPTS, parameters).scalars())
        transactions = list(connection.execute(_TRANSACTIONS, parameters).scalars())
        archive = place_of(connection, parameters["order_id"])
    if archive is not None:
        whole = archived(archive_url, *archive, parameters["order_id"])
        events, transactions = list(whole.events), list(whole.transactions)
        attempts = [
            {name: value for name, value in each.items() if name != "payload"} for each in whole.attempts
        ]
    facts = {"order": found, "events": events, "attempts": attempts, "transactions": transactions}
    session.show(facts, lambda console: _print_order(console, session.tokens, facts))


def _print_list(
    console: Console, tokens: Tokens, rows: list[dict[str, Any]], ids: list[str], *, is_wide: bool
) -> None:
    head = ["order", "accepted", "status", "terms", "swap", ""]
    if is_wide:
        head += ["attempt", "updated", "account"]
    lines = []
    for row, order_id in zip(rows, ids, strict=True):
        shown = [
            order_id,
            to_the_second(row["accepted_at"])[5:],
            row["status"],
            terms_text(row),
            swap(row, tokens),
            row["failure_code"] or "",
        ]
        if is_wide:
            shown[0:2] = [row["order_id"], to_the_second(row["accepted_at"])]
            shown += [str(row["attempt"]), to_the_second(row["updated_at"]), row["account_id"]]
        lines.append(shown)
    for line in column_lines(head, lines):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def swap(row: Mapping[str, Any], tokens: Tokens) -> str:
    """Return what an order swaps, whole: what was booked, else what was ordered."""
    exact = "input" if row["swap_mode"] == "exact_in" else "output"
    sides = []
    for side in ("input", "output"):
        symbol = row[f"{side}_token"]
        units = row[f"{side}_units"] or (row["amount_units"] if side == exact else None)
        if units is None:
            sides.append(symbol)
        elif symbol in tokens:
            sides.append(f"{format_units(int(units), tokens[symbol].scale)} {symbol}")
        else:
            # Its decimals are not known any more.
            sides.append(f"{units} units of {symbol}")
    return " → ".join(sides)


def _print_order(console: Console, tokens: Tokens, facts: dict[str, Any]) -> None:
    found = facts["order"]
    for line in story_lines(found, swap(found, tokens), facts["events"], facts["attempts"], tokens):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
