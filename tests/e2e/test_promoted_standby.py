"""A standby of the record that lagged is promoted while chain, queue, functions and clients go on."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.bootstrap.audit import audit
from chalicelib.config import ChainName
from chalicelib.domain.transactions import VALIDITY_BLOCKS
from tests.chaos.chain_faults import compared
from tests.e2e.solana_parts import Engine, LocalChain, at_rest, funded_chain, landed
from tests.e2e.trader import Trader, assert_whole, following, statuses
from tests.support.standby import Pair, pair


@pytest.fixture
def servers() -> Iterator[Pair]:
    with pair() as made:
        yield made


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    with funded_chain(tmp_path / "chain") as made:
        yield made


@pytest.fixture
def engine(tmp_path: Path, chain: LocalChain, servers: Pair) -> Iterator[Engine]:
    home = tmp_path / "engine"
    home.mkdir()
    made = Engine(home, chain, DATABASE_URL=servers.url)
    yield made
    made.stop()
    assert ["record on another server" in line for line in made.tracebacks] == [True], made.tracebacks


def settle(trader: Trader, chain: LocalChain, servers: Pair) -> None:
    """Have so many blocks go by, once an engine has noticed, that nothing of before can land any more."""
    while not servers.ask(servers.url, "SELECT 1 FROM servers WHERE settles_after IS NOT NULL"):
        assert trader.is_open()
        time.sleep(0.05)
    chain.call("chain_advance", 2 * VALIDITY_BLOCKS)


def test_what_the_promoted_standby_lacks_executes_no_second_time(
    engine: Engine, chain: LocalChain, servers: Pair
) -> None:
    swap = {"inputToken": "USDC", "outputToken": "USDT", "amount": "7"}
    keyed = swap | {"clientOrderId": "executed in the last seconds"}
    with Trader(engine.url) as trader:
        fires = at_rest(trader, above="1.005")
        assert trader.finished(trader.submit(**swap))[-1]["status"] == "confirmed"
    servers.lag()
    before = {}
    with Trader(engine.url, {"orderId": fires}) as trader:
        large = trader.submit(inputToken="USDC", outputToken="SOL", amount="2000000", slippageBps=2000)
        order_id = trader.submit(**keyed)
        for each in (large, order_id, fires):
            before[each] = trader.finished(each)[-1]
            assert before[each]["status"] == "confirmed", before[each]
    servers.fail_over()
    with Trader(engine.url) as trader:
        # It rests again there: no cancel may end what has executed, nor an amendment move it.
        for change in ({"action": "cancel"}, {"action": "amend", "limitPrice": "1"}):
            answer = trader.ask(orderId=fires, **change)
            assert (answer["type"], answer.get("code")) == ("error", "SERVICE_UNAVAILABLE"), answer
        assert trader.ask(action="cancelAll")["canceled"] == 0
        assert trader.submit(**keyed) == order_id
        settle(trader, chain, servers)
        again = trader.put_right(order_id)
        assert_whole(again)
        told = {order_id: again[-1]}
        new = trader.submit(**swap, clientOrderId="later", validForSeconds=300)
        assert trader.put_right(new)[-1]["status"] == "confirmed"
    with following(engine.url, fires) as trader:
        told[fires] = trader.put_right(fires)[-1]
    for each, last in told.items():
        assert landed(chain, each) == [before[each]["txSignature"]]
        assert (last["status"], last.get("txSignature")) == ("confirmed", before[each]["txSignature"])
    database = make_engine(servers.standby_url)
    (stray,) = compared(chain.url, engine.pools_file, database)  # no client asked for it again
    assert before[large]["txSignature"] in str(stray)
    with database.connect() as connection:
        found = audit(connection, chain=ChainName.SOLANA, must_be_finished=False)
        assert [violation for violations in found for violation in violations] == []
    database.dispose()


def test_what_is_on_its_way_as_the_standby_is_promoted_is_waited_for(
    engine: Engine, chain: LocalChain, servers: Pair
) -> None:
    servers.lag()
    chain.call(
        "chain_setFaults", {"delay_percent": 100, "delay_blocks_min": 100, "delay_blocks_max": 120}, None
    )
    with Trader(engine.url) as trader:
        order_id = trader.submit(inputToken="USDC", outputToken="USDT", amount="7", validForSeconds=900)
        trader.until(lambda: "submitted" in statuses(trader.events(order_id)))
        (sent,) = {event["txSignature"] for event in trader.events(order_id) if "txSignature" in event}
        servers.fail_over()
        # Its message was not done with, and brings it again.
        while not landed(chain, order_id):
            assert trader.is_open()
            time.sleep(0.05)
        settle(trader, chain, servers)
    chain.call("chain_resetFaults")
    with following(engine.url, order_id) as trader:
        last = trader.put_right(order_id)[-1]
    assert (last["status"], last.get("txSignature")) == ("confirmed", sent)
    assert landed(chain, order_id) == [sent]
