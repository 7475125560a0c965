"""Which chain a record's orders execute on: what has not ended goes on there, and nowhere else (ADR 17)."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, Engine, text

from chalicelib.config import ChainName, ClusterName, ConfigurationError

_LAST: Final = text("SELECT name FROM chains ORDER BY chain_id DESC LIMIT 1")
_MAY_NOTE: Final = text("SELECT has_table_privilege('chains', 'INSERT')")
_LOCK: Final = text("LOCK TABLE chains IN SHARE ROW EXCLUSIVE MODE")
_UNFINISHED: Final = text("SELECT count(*) FROM orders WHERE ended_at IS NULL")
_NOTE: Final = text("INSERT INTO chains (name) VALUES (:name)")
_EXECUTED: Final = text("""
    SELECT e.name, count(*) AS orders
    FROM orders o JOIN chain_eras e ON o.recorded_at >= e.since AND o.recorded_at < e.until
    WHERE e.name <> :name GROUP BY e.name ORDER BY e.name
""")


def name_of(chain: ChainName, cluster: ClusterName) -> str:
    """Return what a record calls a chain: ``simulated``, or ``solana/mainnet``.

    Local Solanas have one name, whichever it is: a chain that was wiped is started again under it.
    """
    return chain.value if chain is ChainName.SIMULATED else f"{chain}/{cluster}"


def note_chain(engine: Engine, name: str) -> None:
    """Note where orders execute from now on.

    Raises:
        ConfigurationError: The record is of another chain, and has orders that have not ended. They would go
            on where their terms were never meant to hold, and what they sent is unknown there, so that it
            would be taken for dead and sent again. Or the login is not the owner's. Nothing has changed then.
    """
    with engine.begin() as connection:
        last: str | None = connection.execute(_LAST).scalar()
        if last == name:
            return
        record = f"CHAIN: the record is of {said(last) if last else 'no chain yet'}"
        if not connection.execute(_MAY_NOTE).scalar_one():
            raise ConfigurationError(f"{record}, and for {said(name)} its owner has to prepare it")
        connection.execute(_LOCK)
        if last is not None and (unfinished := connection.execute(_UNFINISHED).scalar_one()):
            orders = "1 order that has" if unfinished == 1 else f"{unfinished:,} orders that have"
            raise ConfigurationError(
                f"{record} and has {orders} not ended, which would go on on {said(name)}. Let them end, or "
                "cancel them, on the chain that they are for; or keep another record for this one: locally, "
                "ORDERFLOW_HOME names another folder"
            )
        if connection.execute(_LAST).scalar() != name:
            connection.execute(_NOTE, {"name": name})


def is_on(chain: str) -> str:
    """Return the condition that an order ``o`` executes on a chain; while none is noted, each does.

    Args:
        chain: As SQL has it: quoted, or a parameter.
    """
    era = "o.recorded_at >= c.since AND o.recorded_at < c.until"
    return f"NOT EXISTS (SELECT FROM chain_eras c WHERE c.name <> {chain} AND {era})"


def orders_elsewhere(connection: Connection, name: str) -> Mapping[str, int]:
    """Return how many orders of the record are of each chain other than the named one."""
    executed = connection.execute(_EXECUTED, {"name": name})
    return {row.name: int(row.orders) for row in executed}


def said(name: str) -> str:
    """Return a chain's name in a sentence."""
    return "the simulated market" if name == ChainName.SIMULATED else name.replace("solana/", "Solana's ")
