"""The whole product on a local Solana.

The real runtime, the chain in a process of its own, and a public client.

The wallet is the account's, the transactions are those that a real chain would take, and all that clients are
told is compared with what the chain shows to a client that knows nothing of us.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import TypeVar

import httpx
import pytest
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.pubkey import Pubkey as Address
from solders.signature import Signature

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.solana.keys import address_of, pubkey
from chalicelib.adapters.solana.programs import TOKEN
from chalicelib.adapters.solana.signer import SeedSigner
from chalicelib.adapters.token_list import load_tokens
from chalicelib.bootstrap.audit import audit
from chalicelib.config import ChainName
from tests.chaos.chain_faults import compared
from tests.e2e.solana_parts import SEED, Engine, LocalChain, all_moved, swapped, units
from tests.e2e.trader import LIFE, TIME_LIMIT_S, Frame, Trader, assert_whole, following, is_final, statuses
from tests.unit.adapters.solana.books import a_key

WALLET = SeedSigner(SEED.encode()).wallet("local")
FEE_LAMPORTS = 5_000
# A start takes as long as the machine is busy.
FOR_AN_HOUR = {"inputToken": "USDC", "outputToken": "USDT", "validForSeconds": 3_600}
Answer = TypeVar("Answer")
PAIRS = [
    ("SOL", "USDC"), ("USDC", "SOL"), ("USDC", "USDT"), ("ETH", "SOL"), ("mSOL", "USDC"), ("JitoSOL", "SOL"),
    ("RAY", "USDC"), ("JUP", "WIF"), ("WIF", "SOL"), ("BONK", "USDC"),
]  # fmt: skip


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalChain]:
    made = LocalChain(tmp_path_factory.mktemp("chain"))
    made.call("chain_fund", address_of(WALLET.owner))
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, chain: LocalChain) -> Iterator[Engine]:
    made = Engine(tmp_path_factory.mktemp("solana"), chain)
    yield made
    made.stop()
    assert made.tracebacks == []


@pytest.fixture
def trader(engine: Engine) -> Iterator[Trader]:
    with Trader(engine.url) as made:
        yield made


class PublicClient:
    """PyPI's client, which knows an address and nothing of ours."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, question: Callable[[AsyncClient], Awaitable[Answer]]) -> Answer:
        async def asked() -> Answer:
            async with AsyncClient(self._url, commitment=Confirmed) as client:
                return await question(client)

        return asyncio.run(asked())

    def held(self, symbol: str) -> int:
        """Return what the account's wallet holds of a token, in base units."""
        return self.held_of(load_tokens()[symbol].mint)

    def held_of(self, mint: str) -> int:
        """Return the same of a mint."""
        account = Address(bytes(WALLET.account(pubkey(mint), TOKEN)))
        return int(self.ask(lambda client: client.get_token_account_balance(account)).value.amount)


@pytest.fixture(scope="module")
def client(chain: LocalChain) -> PublicClient:
    return PublicClient(chain.url)


def confirmed(events: list[Frame]) -> Frame:
    assert statuses(events) == LIFE, events[-1]
    assert_whole(events)
    assert events[-1]["networkFeeLamports"] == FEE_LAMPORTS
    return events[-1]


def pools_traded(events: list[Frame]) -> list[str]:
    routed = [event for event in events if event["status"] == "routed"]
    return [leg["pool"] for leg in routed[-1]["route"]]


def test_every_way_in_leads_to_a_transaction_that_a_public_client_finds(
    engine: Engine, client: PublicClient
) -> None:
    with Trader(engine.url, {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5"}) as by_url:
        found = [confirmed(by_url.finished(by_url.first_order()))]
        by_url.send_text('{"side":"buy","baseAsset":"SOL","quoteAsset":"USDC","amount":2}')
        bought = by_url.until(lambda: {event["orderId"] for event in by_url.events()} - {found[0]["orderId"]})
        found.append(confirmed(by_url.finished(bought.pop())))
        exact_out = by_url.submit(inputToken="USDC", outputToken="RAY", amount="10", swapMode="exactOut")
        found.append(confirmed(by_url.finished(exact_out)))
    answer = httpx.post(
        f"{engine.instance.rest_url}/orders",
        json={"inputToken": "USDC", "outputToken": "USDT", "amount": 10},
        timeout=TIME_LIMIT_S,
    )
    with following(engine.url, answer.json()["orderId"]) as by_rest:
        found.append(confirmed(by_rest.finished(answer.json()["orderId"])))
    assert [each["outputAmount"] for each in found[1:3]] == ["2", "10"]
    signatures = [Signature.from_string(each["txSignature"]) for each in found]
    statuses_shown = client.ask(lambda one: one.get_signature_statuses(signatures)).value
    for each, shown in zip(found, statuses_shown, strict=True):
        assert shown is not None
        assert shown.err is None
        assert shown.slot == each["slot"]


def test_nodes_that_are_named_are_used_and_no_chain_is_started(engine: Engine) -> None:
    assert engine.instance.status()["companions"] == {}
    assert not any("Solana" in line for line in engine.instance.lines)


def test_balances_move_by_what_the_owner_is_told_over_any_pair(trader: Trader, client: PublicClient) -> None:
    before = {symbol: client.held(symbol) for symbol in ("USDC", "USDT", "RAY", "JUP", "WIF", "BONK", "ETH")}
    changes = dict.fromkeys(before, 0)
    order_ids = {
        trader.submit(inputToken=given, outputToken=got, amount="0.25"): (given, got) for given, got in PAIRS
    }
    for order_id, (given, got) in order_ids.items():
        fill = confirmed(trader.finished(order_id))
        unspent = Decimal(fill.get("unspentInputAmount", "0"))
        assert Decimal(fill["inputAmount"]) + unspent == Decimal("0.25")
        assert unspent < Decimal("0.001")
        for symbol, amount, sign in ((given, fill["inputAmount"], -1), (got, fill["outputAmount"], 1)):
            if symbol in changes:
                changes[symbol] += sign * units(amount, symbol)
    assert {symbol: client.held(symbol) - before[symbol] for symbol in before} == changes


def test_quote_names_both_venues_and_readiness_the_chain(engine: Engine, chain: LocalChain) -> None:
    def quoted() -> Frame | None:
        swap = {"inputToken": "SOL", "outputToken": "USDC", "amount": "3"}
        told = httpx.post(f"{engine.instance.rest_url}/quotes", json=swap, timeout=TIME_LIMIT_S)
        quote: Frame = told.json()
        return quote if told.is_success else None

    quote = engine.instance.wait(quoted, "quote")
    assert {one["venue"] for one in quote["quotes"]} == {"raydium", "meteora"}

    def is_ready() -> bool:
        ready = httpx.get(f"{engine.instance.rest_url}/health/ready", timeout=TIME_LIMIT_S).json()
        age_s = ready.pop("slotAgeSeconds", None)
        return age_s is not None and age_s <= 5 and ready | {"slot": 0} == {
            "status": "ok", "database": "ok", "queue": "ok", "chain": "ok", "prices": "ok",
            "slot": 0, "pools": len(chain.call("chain_status")["pools"]), "poolsRefused": 0,
        }  # fmt: skip

    # It is not while the machine is too busy to look at the chain each second.
    engine.instance.wait(is_ready, "readiness")


def test_limit_order_rests_until_a_large_order_has_moved_the_price(trader: Trader) -> None:
    quote = trader.quote(inputToken="SOL", outputToken="USDC", amount="1")
    limit = f"{Decimal(quote['price']) * Decimal('1.005'):.2f}"
    order_id = trader.submit(
        type="limit", side="sell", baseAsset="SOL", quoteAsset="USDC", amount="1", limitPrice=limit
    )
    trader.until(lambda: "open" in statuses(trader.events(order_id)))
    large = trader.submit(inputToken="USDC", outputToken="SOL", amount="2000000", slippageBps=2000)
    confirmed(trader.finished(large))
    last = trader.finished(order_id)[-1]
    assert last["status"] == "confirmed", last
    assert Decimal(last["outputAmount"]) >= Decimal(limit)
    assert last["networkFeeLamports"] == FEE_LAMPORTS


def test_stop_order_fires_once_the_mark_has_held_and_sells_at_what_the_chain_gives(trader: Trader) -> None:
    quote = trader.quote(inputToken="JUP", outputToken="USDC", amount="1")
    stop = {"price": f"{Decimal(quote['price']) * Decimal('0.98'):.6f}", "when": "below"}
    order_id = trader.submit(side="sell", baseAsset="JUP", quoteAsset="USDC", amount="5", trigger=stop)
    trader.until(lambda: "open" in statuses(trader.events(order_id)))
    # How far each moves the price depends on what the tests before this one have left in the pools.
    while "triggered" not in statuses(trader.events(order_id)):
        large = trader.submit(inputToken="JUP", outputToken="USDC", amount="40000", slippageBps=2000)
        assert trader.finished(large)[-1]["status"] == "confirmed"
    events = trader.finished(order_id)
    # Where a node is slow, the order may rest once more before it buys.
    assert statuses(events)[:3] == ["pending", "open", "triggered"], events
    assert statuses(events)[-1] == "confirmed", events
    assert_whole(events)
    assert Decimal(events[2]["observedPrice"]) < Decimal(stop["price"])
    assert events[2]["confirmations"] >= 2
    assert events[-1]["networkFeeLamports"] == FEE_LAMPORTS


# A pair each: a pool that opened a moment ago is one that the next order may buy from.
@pytest.mark.parametrize(("kind", "token"), [("cpmm", "RAY"), ("damm_v2", "JUP")])
def test_sniper_order_buys_from_a_pool_that_opens_after_the_start_and_is_in_no_list(
    trader: Trader, engine: Engine, chain: LocalChain, client: PublicClient, kind: str, token: str
) -> None:
    held = client.held(token)
    order_id = trader.submit(type="sniper", inputToken="USDC", outputToken=token, amount="100")
    trader.until(lambda: "open" in statuses(trader.events(order_id)))
    pool = {"kind": kind, "base": token, "quote": "USDC", "price": "2.4", "depth": "50000", "in_s": 2}
    opened = chain.call("chain_openPool", pool)
    events = trader.put_right(order_id)
    # Where a node is slow, the order may rest once more before it buys.
    assert statuses(events)[:3] == ["pending", "open", "triggered"], events
    assert statuses(events)[-1] == "confirmed", events
    assert_whole(events)
    assert events[2]["pool"] == opened["address"]
    assert pools_traded(events) == [opened["address"]]
    assert client.held(token) - held == units(events[-1]["outputAmount"], token)
    # Anybody can make a pool: no other order goes through it, and no price comes from it.
    quote = trader.quote(inputToken="USDC", outputToken=token, amount="10")
    assert opened["address"] not in {leg["pool"] for leg in quote["route"]}
    assert opened["address"] not in engine.pools_file.read_text(encoding="utf-8")


@pytest.mark.parametrize(("kind", "decimals"), [("cpmm", 4), ("damm_v2", 9)])
def test_new_mint_that_no_list_has_is_bought_when_its_pool_opens_and_sold_again(
    engine: Engine, chain: LocalChain, client: PublicClient, kind: str, decimals: int
) -> None:
    mint = address_of(a_key(decimals))
    with Trader(engine.url) as trader:
        order = {"inputToken": "USDC", "outputToken": mint, "amount": "100"}
        order_id = trader.submit(
            type="sniper", **order, sniper={"decimals": decimals}, limitPrice="0.2", timeInForce="gtc"
        )
        trader.until(lambda: "open" in statuses(trader.events(order_id)))
        pool = {"kind": kind, "base": mint, "quote": "USDC", "price": "2.5", "depth": "50000", "in_s": 2}
        opened = chain.call("chain_openPool", pool | {"decimals": decimals})
        events = trader.put_right(order_id)
        assert statuses(events)[-1] == "confirmed", events[-1]
        assert pools_traded(events) == [opened["address"]]
        bought = Decimal(events[-1]["outputAmount"])
        assert 39 < bought < 40
        assert client.held_of(mint) == bought.scaleb(decimals)
        before = client.held("USDC")
        sold = trader.submit(inputToken=mint, outputToken="USDC", amount="30", slippageBps=100)
        last = confirmed(trader.put_right(sold))
        assert client.held("USDC") - before == units(last["outputAmount"], "USDC")
        assert client.held_of(mint) == (bought - 30).scaleb(decimals)
    database = make_engine(engine.database())
    assert list(compared(chain.url, engine.pools_file, database)) == []
    with database.connect() as connection:
        assert not any(audit(connection, chain=ChainName.SOLANA, must_be_finished=False))
    database.dispose()


def test_price_that_moves_beyond_the_threshold_is_refused_by_the_chain_for_a_fee(
    trader: Trader, engine: Engine, chain: LocalChain, client: PublicClient
) -> None:
    chain.call("chain_setFaults", {"drop_percent": 100}, None)
    order_id = trader.submit(inputToken="SOL", outputToken="USDC", amount="100", slippageBps=1)
    trader.until(lambda: "submitted" in statuses(trader.events(order_id)))
    routed = next(event for event in trader.events(order_id) if event["status"] == "routed")
    chain.land_first([swapped(engine, chain, leg) for leg in routed["route"]])
    events = trader.finished(order_id)
    assert (events[-1]["status"], events[-1]["code"]) == ("failed", "SLIPPAGE_EXCEEDED")
    # Of one leg among several it is told as the reason to plan anew.
    fees = [event["networkFeeLamports"] for event in events if "networkFeeLamports" in event]
    assert fees == [FEE_LAMPORTS]
    sent = next(event for event in trader.events(order_id) if event["status"] == "submitted")
    signature = Signature.from_string(sent["txSignature"])
    shown = client.ask(lambda one: one.get_transaction(signature, max_supported_transaction_version=1))
    assert shown.value is not None
    meta = shown.value.transaction.meta
    assert meta is not None
    assert (meta.err is not None, meta.fee) == (True, FEE_LAMPORTS)


@pytest.mark.parametrize(
    ("token", "moved_bps", "status"), [("mSOL", 15, "confirmed"), ("JUP", 250, "failed")]
)
def test_order_whose_price_moves_between_hops_is_refused_for_what_it_allows_itself_alone(
    trader: Trader, engine: Engine, chain: LocalChain, token: str, moved_bps: int, status: str
) -> None:
    chain.call("chain_setFaults", {"drop_percent": 100}, None)
    order_id = trader.submit(inputToken=token, outputToken="USDT", amount="1", slippageBps=100)
    trader.until(lambda: "submitted" in statuses(trader.events(order_id)))
    chain.land_first(all_moved(engine, chain, token, moved_bps))
    events = trader.finished(order_id)
    assert_whole(events)
    routed = next(event for event in events if event["status"] == "routed")
    assert len({leg["inputToken"] for leg in routed["route"]}) == 2
    again = next(event for event in events if event["attempt"] == 2)
    assert (again["status"], again["networkFeeLamports"]) == ("routing", FEE_LAMPORTS)
    assert "in one pool the price moved by more than its part" in again["reason"]
    assert (events[-1]["status"], events[-1]["attempt"]) == (status, 2)
    if status == "failed":
        assert events[-1]["code"] == "SLIPPAGE_EXCEEDED"
        assert "moved by more than 100 bps" in events[-1]["message"]
    else:
        bought = Decimal(events[-1]["outputAmount"])
        assert Decimal(routed["outputAmount"]) * Decimal("0.99") <= bought < Decimal(routed["outputAmount"])
    database = make_engine(engine.database())
    assert list(compared(chain.url, engine.pools_file, database)) == []
    with database.connect() as connection:
        assert not any(audit(connection, chain=ChainName.SOLANA, must_be_finished=False))
    database.dispose()


def test_orders_on_their_way_when_the_chain_is_killed_and_the_engine_stopped_end_once_when_both_are_back(
    engine: Engine, chain: LocalChain, client: PublicClient
) -> None:
    before = client.held("USDC"), client.held("USDT")
    chain.call("chain_setBlockMs", None)
    with Trader(engine.url) as trader:
        order_ids = [trader.submit(**FOR_AN_HOUR, amount=f"{n}") for n in range(1, 9)]
        trader.until(lambda: any("submitted" in statuses(trader.events(each)) for each in order_ids))
        assert not any("confirmed" in statuses(trader.events(each)) for each in order_ids)
    chain.kill()
    engine.stop()
    chain.start_again()
    engine.start()
    paid = unspent = got = 0
    for order_id in order_ids:
        with following(engine.url, order_id) as trader:
            events = {event["seq"]: event for event in trader.finished(order_id)}
        assert_whole([events[seq] for seq in sorted(events)])
        last = events[max(events)]
        assert last["status"] == "confirmed", last
        paid += units(last["inputAmount"], "USDC")
        unspent += units(last.get("unspentInputAmount", "0"), "USDC")
        got += units(last["outputAmount"], "USDT")
    assert (client.held("USDC") - before[0], client.held("USDT") - before[1]) == (-paid, got)
    assert paid + unspent == units("36", "USDC")


FAULTS = {
    "drop_percent": 60,
    "delay_percent": 50,
    "delay_blocks_max": 149,
    "duplicate_percent": 50,
    "lost_answer_percent": 20,
    "unavailable_percent": 10,
    "garbage_percent": 5,
    "behind_jitter_blocks": 5,
}


def test_orders_under_all_faults_at_once_end_once_each_and_record_and_chain_agree(
    engine: Engine, chain: LocalChain
) -> None:
    chain.call("chain_setFaults", FAULTS, None)
    chain.call("chain_setFaults", {"hidden_status_percent": 100}, 0)
    with Trader(engine.url) as trader:
        order_ids = [trader.submit(**FOR_AN_HOUR, amount=f"{n}") for n in range(21, 29)]
        trader.until(lambda: any("submitted" in statuses(trader.events(each)) for each in order_ids))
        engine.kill_consumers()
        chain.kill()
        chain.start_again()
        chain.call(
            "chain_setFaults", {"drop_percent": 60, "delay_percent": 50, "delay_blocks_max": 149}, None
        )
        chain.call("chain_setFaults", {"hidden_status_percent": 100}, 1)
        trader.until(lambda: all("submitted" in statuses(trader.events(each)) for each in order_ids))
        # What was delayed lands in one of its last blocks, and what was lost is dead: all of it at once.
        chain.call("chain_advance", 160)
        trader.until(lambda: any(is_final(event) for event in trader.events()))
        chain.call("chain_resetFaults")
        for order_id in order_ids:
            events = {event["seq"]: event for event in trader.finished(order_id)}
            assert_whole([events[seq] for seq in sorted(events)])
    database = make_engine(engine.database())
    assert list(compared(chain.url, engine.pools_file, database)) == []
    database.dispose()
