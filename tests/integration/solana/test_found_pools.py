"""Pools that are found while they are waited for: on a chain of one's own, and kept for every process."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.solana.found_pools import (
    JUDGED_MAX,
    MINTS_AT_ONCE,
    FoundPools,
    JudgedPool,
    TradedKeys,
    found_mint_scales,
)
from chalicelib.adapters.solana.keys import address_of, pubkey
from chalicelib.adapters.solana.pool_list import ListedPool
from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import SilentNodeError
from chalicelib.adapters.token_list import load_tokens
from chalicelib.bootstrap.clients import Clients
from chalicelib.bootstrap.solana_market import SolanaMarket
from chalicelib.config import ChainName, Settings
from chalicelib.domain.watches import BY_LAUNCH, DirectedPair
from tests.support.local_chain import write_pool_file
from tests.unit.adapters.solana.books import a_key
from tests.unit.adapters.solana.fake_node import FakeNode, nodes_of
from tests.unit.infra.chain.running import Running, running

KINDS = {"cpmm": "raydium", "clmm": "raydium", "dlmm": "meteora", "damm_v2": "meteora"}
PAIR = DirectedPair("USDC", "RAY")
IDS = PROGRAM_IDS[Cluster.LOCAL]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("chain"), "--seed", "--block-ms", "50") as made:
        yield made


@pytest.fixture(scope="module")
def pools_file(chain: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    url = f"http://127.0.0.1:{chain.port}"
    return write_pool_file(tmp_path_factory.mktemp("pools") / "pools", url, chain.call("chain_status"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


@contextmanager
def a_market(chain: Running, pools_file: Path, database_url: str) -> Iterator[SolanaMarket]:
    """The market of a process of its own, which searches whenever it is asked to."""
    settings = Settings(
        chain=ChainName.SOLANA,
        solana_rpc_urls=f"http://127.0.0.1:{chain.port}",
        solana_pools_file=str(pools_file),
        database_url=database_url,
        solana_search_ms=1,
        quote_time_limit_ms=10_000,
        solana_call_time_limit_ms=10_000,
    )
    clients = Clients(settings)
    market = SolanaMarket(settings, SystemClock(), load_tokens(), clients)
    yield market
    market.nodes.close()
    clients.close()


def opened(chain: Running, kind: str, **more: Any) -> str:
    wanted = {"kind": kind, "base": "RAY", "quote": "USDC", "price": "2.4", "depth": "50000", **more}
    return str(chain.call("chain_openPool", wanted)["address"])


@pytest.mark.usefixtures("engine")
def test_pool_of_each_kind_is_found_by_one_process_and_offered_by_another(
    chain: Running, pools_file: Path, database_url: str
) -> None:
    with (
        a_market(chain, pools_file, database_url) as searcher,
        a_market(chain, pools_file, database_url) as consumer,
    ):
        assert searcher.found is not None
        assert consumer.found is not None
        searcher.found.search([PAIR])
        assert searcher.found.offered() == ()
        addresses = {
            opened(chain, kind, fee_bps=f"{20 + number}"): venue
            for number, (kind, venue) in enumerate(KINDS.items())
        }
        chain.call("chain_advance", 40)
        searcher.found.search([PAIR])
        assert {pool.pool_id: pool.venue for pool in consumer.found.offered()} == addresses
        offered = {pool.pool_id: pool for venue in consumer.venues for pool in venue.offers([]).pools}
        assert {pool_id for pool_id, pool in offered.items() if not pool.is_listed} == set(addresses)
        # What is signed, and what a landed transaction is read by, know them as well.
        keys = TradedKeys(consumer._listed, consumer._found_keys)
        assert all(pubkey(address) in keys for address in addresses)
        assert all(pool.key in keys for pool in consumer._listed)
        assert a_key(1) not in keys
        assert addresses.keys() <= {pool.pool_id for pool in consumer._names.pools.values()}


@pytest.mark.usefixtures("engine")
def test_pool_that_says_to_open_in_thousands_of_years_is_left_to_later_searches(
    chain: Running, pools_file: Path, database_url: str
) -> None:
    pair = DirectedPair("USDC", "BONK")
    with a_market(chain, pools_file, database_url) as market:
        assert market.found is not None
        never = {"base": "BONK", "price": "0.00002", "in_s": 900_000_000_000}
        opened(chain, "cpmm", fee_bps="31", **never)
        soon = opened(chain, "cpmm", **(never | {"in_s": 3_000}))
        chain.call("chain_advance", 4)
        for _ in range(2):
            market.found.search([pair])
            assert [pool.pool_id for pool in market.found.offered() if "BONK" in pool.tokens] == [soon]
        assert market.found.found_at().keys() >= {soon}
        # Amounts of a mint that is in no list are read by what its pools were kept with.
        assert market.found.decimals(["BONK", "USDC"]) == {"BONK": 5, "USDC": 6}
        # More than are judged at a time, and all of them stay to be judged.
        for number in range(2 * JUDGED_MAX):
            opened(chain, "cpmm", fee_bps=str(100 + number), **never)
        # Addresses, by which they are sorted, are as good as drawn: some of these come behind them.
        more = {
            opened(chain, "cpmm", fee_bps=str(30 - number), **(never | {"in_s": 0})) for number in (0, 1, 2)
        }
        chain.call("chain_advance", 4)
        for _ in range(3):
            market.found.search([pair])
        assert more < {pool.pool_id for pool in market.found.offered()}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"kind": "amm"}, "kind must be one of"),
        ({"base": "NONE"}, "must be a known token"),
        ({"quote": "RAY"}, "quote must be another token"),
        ({"price": 0}, "price must be above 0"),
        ({"depth": "much"}, "depth must be a number"),
        ({"colour": 1}, "colour is not known here"),
    ],
)
def test_pool_that_is_described_badly_is_not_opened(
    chain: Running, changed: dict[str, Any], problem: str
) -> None:
    wanted = {"kind": "cpmm", "base": "RAY", "quote": "USDC", "price": "2", "depth": "10"} | changed
    request = {"jsonrpc": "2.0", "id": 1, "method": "chain_openPool", "params": [wanted]}
    _, _, body = chain.post(request)
    assert problem in body.decode()


def no_judgement(
    pools: Sequence[ListedPool],
) -> tuple[Sequence[JudgedPool], Sequence[ListedPool]]:
    raise AssertionError(f"nothing was found to judge: {pools}")


def test_database_that_does_not_answer_leaves_the_listed_pools_to_trade_with(
    chain: Running, pools_file: Path
) -> None:
    with a_market(chain, pools_file, "postgresql://nobody@127.0.0.1:1/none") as market:
        assert market.found is not None
        assert market.found.offered() == ()
        assert market.pools.read().pools


MINT, OTHER, POOL, SECOND = (address_of(a_key(number)) for number in (7, 8, 9, 10))


def found_by(engine: Engine, *nodes: FakeNode) -> FoundPools:
    """What a process reads that finds nothing."""
    return FoundPools(
        engine,
        nodes_of(*nodes or (FakeNode(),)),
        IDS,
        load_tokens(),
        [],
        judge=no_judgement,
        every_s=0,
        time_limit_s=30,
    )


def keep(engine: Engine, address: str, mint: str, decimals: int, *, place: int = 0) -> None:
    """Have a pool found long ago, in which a mint is the first token or the second."""
    with engine.begin() as connection:
        connection.execute(
            text(f"""
            INSERT INTO found_pools (address, venue, token_{place}, token_{1 - place}, decimals_{place},
                decimals_{1 - place}, found_at)
            VALUES (:address, 'raydium', :mint, 'USDC', :decimals, 6, now() - interval '2 days')"""),  # noqa: S608
            {"address": address, "mint": mint, "decimals": decimals},
        )


class SlowNode(FakeNode):
    """Answers no request that carries several calls in time."""

    def call_all(self, calls: Sequence[RpcCall], *, time_limit_s: float) -> list[Any]:
        del time_limit_s
        self.requests.append([call.method for call in calls])
        raise SilentNodeError("no answer")


def test_node_that_is_too_slow_for_all_searches_at_once_is_asked_for_one_at_a_time(engine: Engine) -> None:
    node = SlowNode()
    found = found_by(engine, node)
    found.search([PAIR])
    assert node.count("getProgramAccounts") == 0
    asked = len(node.requests)
    found.search([PAIR])
    assert node.count("getProgramAccounts") == 8
    assert len(node.requests) == asked


def test_old_pool_of_a_mint_in_no_list_is_offered_to_who_names_the_mint(engine: Engine) -> None:
    keep(engine, POOL, MINT, 4)
    found = found_by(engine)
    assert found.offered() == ()
    found.name(["USDC", OTHER])
    assert found.offered() == ()
    found.name(["USDC", MINT])
    assert [pool.tokens for pool in found.offered()] == [(MINT, "USDC")]
    assert pubkey(POOL) in found.named()


@pytest.mark.parametrize("place", [0, 1])
def test_decimals_of_a_mint_are_those_that_all_its_pools_were_kept_with(engine: Engine, place: int) -> None:
    keep(engine, POOL, MINT, 4, place=place)
    found = found_by(engine)
    assert found.decimals([MINT, OTHER]) == {MINT: 4}
    keep(engine, SECOND, MINT, 5, place=1 - place)
    assert found.decimals([MINT]) == {}
    with engine.connect() as connection:
        assert found_mint_scales(connection) == {}


def test_nothing_is_searched_for_where_no_order_waits_for_a_mint_that_is_in_no_list(engine: Engine) -> None:
    found = found_by(engine)
    found.search([DirectedPair("USDC", "*"), DirectedPair("USDC", "no token")])
    assert found.offered() == ()


def test_account_that_waits_for_mints_by_the_thousand_keeps_no_other_account_waiting(engine: Engine) -> None:
    """Made up, they cost nothing; each is a search of its own, of which a look makes a few."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("INSERT INTO watch_pairs (input_token, output_token) VALUES ('USDC', '*')"))
        waiting = [*(("mallory", address_of(a_key(1_000 + n))) for n in range(1_200)), ("alice", MINT)]
        waiting.insert(50, ("mallory", MINT))  # nor does it by waiting for the same one, after others
        connection.execute(
            text("""
            WITH made AS (
                SELECT gen_random_uuid() AS order_id, account_id, mint, now() - n * interval '1 s' AS at
                FROM unnest(CAST(:accounts AS text[]), CAST(:mints AS text[]))
                    WITH ORDINALITY AS w (account_id, mint, n)
            ), placed AS (
                INSERT INTO orders (order_id, account_id, order_type, swap_mode, input_token, output_token,
                    amount_units, price_base, slippage_bps, accepted_at, content_sha256, status, seq, attempt,
                    fence, lease_until, time_in_force, sniper_terms)
                SELECT order_id, account_id, 'sniper', 'exact_in', 'USDC', mint, 1, mint, 50, at,
                    repeat('0', 64), 'open', 2, 1, 1, at, 'gtc', '{}' FROM made
            )
            INSERT INTO watches (order_id, accepted_at, since_height, pair_id, look, armed, direction,
                rate_out, rate_in, wake_key)
            SELECT order_id, at, 0, pair_id, :look, true, 'at_least', 1, 1, extract(epoch FROM at)
            FROM made, watch_pairs"""),
            {
                "accounts": [account for account, _ in waiting],
                "mints": [mint for _, mint in waiting],
                "look": BY_LAUNCH,
            },
        )
    node = FakeNode()
    found_by(engine, node).search([DirectedPair("USDC", "*")])
    searched = {
        each["memcmp"]["bytes"]
        for call in node.asked
        if call.method == "getProgramAccounts"
        for each in call.params[1]["filters"]
        if "memcmp" in each
    }
    assert MINT in searched
    assert len(searched) == 1 + MINTS_AT_ONCE
