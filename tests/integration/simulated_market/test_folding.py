"""What landed long ago leaves the ledger, and its audit finds as much as before."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.adapters.postgres.archive import archive_check
from chalicelib.adapters.simulated_market.folding import LedgerFolding
from chalicelib.bootstrap.archiving import archiver
from chalicelib.bootstrap.audit import audit
from chalicelib.migrations.roles import APP_ROLE
from chalicelib.services.archive.archiver import Archived
from chalicelib.wire.archived_orders import unpacked
from tests.security.captured import SEED, Exchange

DAYS = 30
# The market's clock is set back before anything is traded, so that heights, times and signatures fit.
LONG_AGO = """
UPDATE market.chain SET genesis_at = genesis_at - interval '80 days', clock_offset = interval '-40 days'
"""
TODAY = "UPDATE market.chain SET clock_offset = '0'"
ENDED_LONG_AGO = """
SET LOCAL session_replication_role = replica;
UPDATE orders SET updated_at = updated_at - interval '40 days';
DELETE FROM subscriptions;
"""
SWAP = {"inputToken": "SOL", "outputToken": "USDC", "amount": "0.5"}


class Market:
    """A market that was traded on 40 days ago."""

    def __init__(self, exchange: Exchange, folder: Path) -> None:
        self.exchange = exchange
        self.store = FolderArchiveStore(folder)
        self.run(LONG_AGO)
        exchange.services = exchange._process()  # that remembers no block of today
        exchange.trade()
        exchange.resume()
        self.run(ENDED_LONG_AGO)
        self.run(TODAY)
        self.ordered = self.count("market.transactions WHERE order_id IS NOT NULL")

    def run(self, statement: str) -> None:
        with self.exchange.owner.begin() as connection:
            connection.execute(text(statement))

    def count(self, table: str) -> int:
        with self.exchange.owner.connect() as connection:
            return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608

    def archive(self) -> Archived:
        """Archive as the functions may."""
        return archiver(self.exchange.app, self.store, retention_days=DAYS).run()

    def archived_transactions(self) -> int:
        with self.exchange.owner.connect() as connection:
            places = connection.execute(text("SELECT place FROM archives")).scalars().all()
        found = [order for place in places for order in unpacked(self.store.get(place) or b"")]
        return sum(len(order.transactions) for order in found)

    def broken(self) -> list[str]:
        with self.exchange.owner.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            found = audit(connection, must_be_finished=True, wallet_seed=SEED.encode())
            names = [f"{each.check}: {each.problem}" for violations in found for each in violations]
            return names + [each.problem for each in archive_check(self.store).violations(connection)]


@pytest.fixture
def market(make_database: Callable[[], str], tmp_path: Path) -> Iterator[Market]:
    exchange = Exchange(make_database())
    yield Market(exchange, tmp_path)
    exchange.close()


def test_ledger_is_folded_with_its_orders_and_the_audit_goes_on_from_there(market: Market) -> None:
    assert market.broken() == []
    before, orders = market.count("market.transactions"), market.count("orders")
    done = market.archive()
    assert (done.orders, done.refused, done.folded) == (orders, 0, before)
    assert market.count("market.transactions") == 0
    assert market.broken() == []
    assert market.archived_transactions() == market.ordered
    market.exchange.order("alice", **SWAP)
    assert (market.count("market.transactions"), market.broken()) == (1, [])
    assert market.archive().folded == 0
    market.run("UPDATE market.folded_flows SET units = units + 1 WHERE token = 'SOL'")
    market.run(
        """UPDATE market.openings SET state = jsonb_set(state, '{reserve_0}', '1')
        WHERE pool_id = 'raydium-cpmm-SOL-USDC-25'"""
    )
    found = "\n".join(market.broken())
    assert "units are held" in found
    assert "raydium-cpmm-SOL-USDC-25" in found or "its state is not the one" in found


def test_transaction_of_an_order_that_is_not_archived_stays_until_it_is(market: Market) -> None:
    market.run(
        """INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to)
        SELECT 'c', order_id, 'alice', true, 0 FROM orders WHERE status = 'confirmed' LIMIT 1"""
    )
    market.archive()
    assert (market.count("market.transactions"), market.broken()) == (1, [])
    market.run("DELETE FROM subscriptions")
    assert market.archive().orders == 1
    assert (market.count("market.transactions"), market.broken()) == (0, [])


def test_ledger_that_pays_otherwise_than_the_pools_is_not_folded(market: Market) -> None:
    market.run(
        """UPDATE market.transactions SET output_units = output_units + 1,
            legs = jsonb_set(legs, '{0,5}', to_jsonb((legs -> 0 ->> 5)::numeric + 1))
        WHERE ordinal = (SELECT min(ordinal) FROM market.transactions WHERE order_id IS NULL)"""
    )
    assert market.archive().folded == 0
    assert market.broken() != []


def test_functions_fold_neither_what_landed_today_nor_what_never_did(market: Market) -> None:
    folding, last = LedgerFolding(market.exchange.app), "(SELECT max(ordinal) FROM market.transactions)"
    market.run("UPDATE market.transactions SET landed_at = market.now() WHERE error IS NULL")
    with market.exchange.owner.connect() as connection:
        connection.execute(text(f"SET ROLE {APP_ROLE}"))
        for up_to in (f"{last} + 1", "0"):
            with pytest.raises(DBAPIError, match="nothing landed"), connection.begin_nested():
                connection.execute(text(f"SELECT market.fold(0, {up_to}, 1, '[]')"))
        # Of today, and where another run was faster.
        for after, up_to in (("0", last), ("7", last)):
            folded = connection.execute(text(f"SELECT market.fold({after}, {up_to}, 1, '[]')"))
            assert folded.scalar_one() is False
    assert folding.fold(datetime.now(UTC)) == 0
