"""A record that was set back to a moment, as from a backup, while chain, queue and clients went on."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine as Database
from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.bootstrap.audit import audit
from chalicelib.config import ChainName
from tests.chaos.chain_faults import compared
from tests.e2e.solana_parts import Engine, LocalChain, at_rest, funded_chain, landed
from tests.e2e.trader import Frame, Trader, assert_whole, following, statuses

WAKE = "UPDATE watches SET wake_at = now() WHERE armed"
"""As ``docs/operating.md`` says it, like the next one."""
NOT_LOOKED_UP = """
SELECT (SELECT count(*) FROM watches WHERE NOT armed OR wake_at <= now())
    + (SELECT count(*) FROM orders
       WHERE status IN ('pending', 'triggered', 'routing', 'routed', 'building', 'submitted'))
"""
KEYED = {"clientOrderId": "sent after the backup", "inputToken": "USDC", "outputToken": "USDT", "amount": "7"}


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    with funded_chain(tmp_path / "chain") as made:
        yield made


@pytest.fixture
def engine(tmp_path: Path, chain: LocalChain) -> Iterator[Engine]:
    home = tmp_path / "engine"
    home.mkdir()
    made = Engine(home, chain)
    yield made
    made.stop()
    assert made.tracebacks == []


def looked_up_later(database: Database) -> int:
    """Return how many orders are yet to be looked up."""
    with database.connect() as connection:
        return int(connection.execute(text(NOT_LOOKED_UP)).scalar_one())


def copied(there: Path, to: Path) -> None:
    # With their owner, who is not the one who runs the tests if that is root.
    subprocess.run(("cp", "-a", f"{there}/.", str(to)), check=True)


def test_what_executed_after_the_moment_that_the_record_is_set_back_to_executes_no_second_time(
    engine: Engine, chain: LocalChain, tmp_path: Path
) -> None:
    with Trader(engine.url) as trader:
        fires, stays = at_rest(trader, above="1.005"), at_rest(trader, above="1.5")
    engine.stop()
    files = engine.database_files()
    copied(files, backup := tmp_path / "backup")
    restored_to = datetime.now(UTC)
    engine.start()
    before: dict[str, Frame] = {}
    with Trader(engine.url, {"orderId": fires}) as trader:
        large = trader.submit(inputToken="USDC", outputToken="SOL", amount="2000000", slippageBps=2000)
        keyed = trader.submit(**KEYED)
        for order_id in (large, keyed, fires):
            before[order_id] = trader.finished(order_id)[-1]
            assert before[order_id]["status"] == "confirmed", before[order_id]
        # The price that it fired for is gone.
        bought = before[large]["outputAmount"]
        back = trader.submit(inputToken="SOL", outputToken="USDC", amount=bought, slippageBps=2000)
        assert trader.finished(back)[-1]["status"] == "confirmed"
    engine.stop()
    for each in files.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    copied(backup, files)
    engine.start(SOLANA_RECORD_RESTORED_TO=restored_to.isoformat())
    database = make_engine(engine.database())
    with database.begin() as connection:
        connection.execute(text(WAKE))
    with Trader(engine.url) as trader:
        assert trader.submit(**KEYED) == keyed
        again = trader.put_right(keyed)
        assert_whole(again)
        told = {keyed: again[-1]}
    with following(engine.url, fires) as trader:
        told[fires] = trader.put_right(fires)[-1]
    for order_id, last in told.items():
        assert landed(chain, order_id) == [before[order_id]["txSignature"]]
        same = ("status", "txSignature", "inputAmount", "outputAmount", "feeAmount", "slot")
        assert [last.get(name) for name in same] == [before[order_id].get(name) for name in same]
    with Trader(engine.url, {"orderId": stays}) as trader:
        trader.until(lambda: "open" in statuses(trader.events(stays)))
        while looked_up_later(database):
            assert trader.is_open()
        assert trader.ask(action="cancel", orderId=stays)
        assert trader.put_right(stays)[-1]["status"] == "canceled"
    # What no order asks for again is named: those of the two large orders, which had no key.
    strays = list(compared(chain.url, engine.pools_file, database))
    assert len(strays) == 2
    assert before[large]["txSignature"] in str(strays)
    with database.connect() as connection:
        assert not any(audit(connection, chain=ChainName.SOLANA, must_be_finished=False))
    database.dispose()
