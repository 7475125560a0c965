"""Landing on the pools as they were last seen: as good as any landing, or not done."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import event, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.prepared import PreparedConnection
from chalicelib.adapters.simulated_market.chain import MarketChain
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard
from chalicelib.adapters.simulated_market.pool_cache import PoolCache
from chalicelib.adapters.simulated_market.transactions import wallet_of
from chalicelib.adapters.simulated_market.venue import LedgerPoolReader
from chalicelib.domain.errors import Code
from chalicelib.domain.transactions import (
    SignatureStatus,
    SignedTransaction,
    SwapInstruction,
    TransactionStatus,
)
from tests.contract.waiting import wait_for_waiting
from tests.integration.simulated_market.conftest import (
    AT_ONCE,
    DIRECT,
    WALLET_SEED,
    MarketUnderTest,
    a_swap,
    status_of,
)

ALICE = wallet_of(WALLET_SEED, "alice").address


class Trader:
    """A process that looks at the pools, signs and sends; counts the round trips of its landings."""

    def __init__(self, market: MarketUnderTest) -> None:
        self.market, self.cache, self.trips = market, PoolCache(), 0
        self.engine = make_engine(market.url, pool_size=2)
        event.listen(self.engine, "connect", self._watch)
        self.reader = LedgerPoolReader(self.engine, self.cache, shared_for_s=0)
        faults = FaultBoard(self.engine, noticed_within_s=0)
        self.node = MarketChain(
            self.engine, lambda: WALLET_SEED, market.tokens, AT_ONCE, faults=faults, cache=self.cache
        )
        self.send(*self.signed(a_swap()))  # opens the wallet

    def signed(self, *swaps: SwapInstruction) -> list[SignedTransaction]:
        self.reader.read()
        return list(self.node.sign(swaps))

    def send(self, *transactions: SignedTransaction) -> list[TransactionStatus]:
        """Send, and return what another node says became of it."""
        self.trips = 0
        self.node.send(transactions)
        return [status_of(self.market.node(), each) for each in transactions]

    def sent_promptly(self, *swaps: SwapInstruction) -> list[TransactionStatus]:
        """Send until it takes one round trip: the second may end between a look and a landing."""
        for _ in range(50):
            statuses = self.send(*self.signed(*swaps))
            if self.trips == 1:
                return statuses
        raise AssertionError("it never landed in one round trip")

    def _watch(self, connection: PreparedConnection, _record: object) -> None:
        together = connection.execute_together

        def counted(*arguments: object, **named: object) -> object:
            self.trips += 1
            return together(*arguments, **named)  # type: ignore[arg-type]

        connection.execute_together = counted  # type: ignore[method-assign, assignment]


@pytest.fixture
def trader(market: MarketUnderTest) -> Iterator[Trader]:
    trader = Trader(market)
    yield trader
    trader.engine.dispose()


TWO_HOPS = ("SOL", DIRECT, "USDC", "raydium-clmm-USDC-USDT-1", "USDT")
BINNED = ("SOL", "meteora-dlmm-SOL-USDC-10", "USDC")


def is_landed(status: TransactionStatus) -> bool:
    return status.signature_status is SignatureStatus.LANDED


def test_ledger_that_stands_as_it_was_seen_is_written_in_one_round_trip(trader: Trader) -> None:
    statuses = trader.sent_promptly(
        a_swap(), a_swap(threshold_units=2**63), a_swap(route=TWO_HOPS), a_swap(10**11, route=BINNED)
    )
    assert [is_landed(each) for each in statuses] == [True, False, True, True]
    assert statuses[1].refusal is Code.SLIPPAGE_EXCEEDED
    assert trader.cache.snapshot == LedgerPoolReader(trader.market.engine, PoolCache(), shared_for_s=0).read()
    assert trader.market.violations() == []


def test_pools_that_moved_meanwhile_are_traded_with_as_they_are_now(trader: Trader) -> None:
    (transaction,) = trader.signed(a_swap())
    rival = trader.market.node()
    rival.send(rival.sign([a_swap(10**11, account_id="bob")]))
    (status,) = trader.send(transaction)
    assert trader.trips > 1
    assert is_landed(status)
    assert trader.market.violations() == []


@pytest.mark.parametrize(
    ("change", "versions", "refusal"),
    [
        ("UPDATE market.pools SET version = version + 1 WHERE pool_id = :pool", 2, None),
        (
            "UPDATE market.wallets SET balance = 0 WHERE address = :wallet AND token = 'SOL'",
            0,
            Code.INSUFFICIENT_FUNDS,
        ),
    ],
    ids=["pool", "wallet"],
)
def test_landing_waits_for_another_one_that_moves_its_pool_or_wallet(
    trader: Trader, change: str, versions: int, refusal: Code | None
) -> None:
    def version() -> int:
        return trader.reader.read().pools[DIRECT].version

    (transaction,), before = trader.signed(a_swap()), version()
    with ThreadPoolExecutor(1) as executor, trader.market.engine.connect() as other:
        other.execute(text(change), {"pool": DIRECT, "wallet": ALICE})
        sent = executor.submit(trader.send, transaction)
        wait_for_waiting(other, 1)
        other.commit()
        (status,) = sent.result()
    assert status.refusal is refusal
    assert version() == before + versions


def test_trader_that_met_another_looks_first_until_it_is_alone_again(trader: Trader) -> None:
    (first,) = trader.signed(a_swap())
    rival = trader.market.node()
    rival.send(rival.sign([a_swap(account_id="bob")]))
    trips = []
    for transaction in (first, None):
        trader.send(transaction or trader.signed(a_swap())[0])
        trips.append(trader.trips)
    assert trips[0] > 1
    assert trips[1] == 2
    trader.sent_promptly(a_swap())


def test_wallet_that_cannot_pay_is_refused_though_it_gets_more_in_the_same_block(trader: Trader) -> None:
    market = trader.market
    market.execute(
        "UPDATE market.wallets SET balance = 1 WHERE address = :address AND token = 'USDC'", address=ALICE
    )
    back = a_swap(10**6, route=("USDC", DIRECT, "SOL"))
    refused, landed = trader.send(*trader.signed(back, a_swap()))
    assert refused.refusal is Code.INSUFFICIENT_FUNDS
    assert is_landed(landed)


@pytest.mark.parametrize(("held", "can_pay"), [(10**6, True), (10**6 - 1, False)])
def test_wallet_pays_with_its_last_unit_and_not_with_one_more(
    trader: Trader, held: int, *, can_pay: bool
) -> None:
    trader.market.execute(
        "UPDATE market.wallets SET balance = :held WHERE address = :address AND token = 'USDC'",
        address=ALICE,
        held=held,
    )
    (status,) = trader.send(*trader.signed(a_swap(10**6, route=("USDC", DIRECT, "SOL"))))
    assert is_landed(status) == can_pay
    assert status.refusal is (None if can_pay else Code.INSUFFICIENT_FUNDS)


def test_wallet_pays_for_the_first_of_two_if_it_holds_too_little_for_both(trader: Trader) -> None:
    trader.market.execute(
        "UPDATE market.wallets SET balance = 1500000 WHERE address = :address AND token = 'USDC'",
        address=ALICE,
    )
    back = a_swap(10**6, route=("USDC", DIRECT, "SOL"))
    first, second = trader.send(*trader.signed(back, replace(back, attempt=2)))
    assert is_landed(first)
    assert second.refusal is Code.INSUFFICIENT_FUNDS


def test_wallet_may_spend_what_it_got_in_the_same_block(trader: Trader) -> None:
    market = trader.market
    market.execute(
        "UPDATE market.wallets SET balance = 1 WHERE address = :address AND token = 'USDC'", address=ALICE
    )
    back = a_swap(10**6, route=("USDC", DIRECT, "SOL"))
    assert [is_landed(each) for each in trader.sent_promptly(a_swap(), back)] == [True, True]


def test_transaction_that_has_landed_lands_once(trader: Trader) -> None:
    (transaction,) = trader.signed(a_swap(7 * 10**9))
    trader.send(transaction)
    balance = trader.market.balance(ALICE, "SOL")
    fresh = trader.signed(a_swap(10**9))
    statuses = trader.send(transaction, *fresh, *fresh)
    assert [is_landed(each) for each in statuses] == [True, True, True]
    assert trader.market.balance(ALICE, "SOL") == balance - 10**9
    assert trader.market.violations() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE market.chain SET clock_offset = clock_offset + interval '1 second'",
        "UPDATE market.chain SET epoch = epoch + 1",
    ],
    ids=["second", "epoch"],
)
def test_ledger_at_another_second_or_epoch_is_read_first(trader: Trader, change: str) -> None:
    (transaction,) = trader.signed(a_swap())
    trader.market.execute(change)
    assert [is_landed(each) for each in trader.send(transaction)] == [True]
    assert trader.trips > 1
    assert trader.market.violations() == []


@pytest.mark.parametrize("is_alone", [True, False])
def test_transaction_past_its_validity_does_not_land(trader: Trader, *, is_alone: bool) -> None:
    (transaction,) = trader.signed(a_swap())
    trader.market.pass_blocks(200)
    fresh = trader.signed(a_swap())
    status, *beside = trader.send(transaction, *([] if is_alone else fresh))
    assert status.signature_status is SignatureStatus.UNKNOWN
    assert all(map(is_landed, beside))


@pytest.mark.parametrize("is_taken_for_ours", [True, False])
def test_transaction_of_another_chain_does_not_land(trader: Trader, *, is_taken_for_ours: bool) -> None:
    (transaction,) = trader.signed(a_swap())
    ours = trader.cache.block
    assert ours is not None
    trader.cache.block = replace(ours, genesis="0")
    (other,) = trader.node.sign([a_swap()])
    trader.cache.block = trader.cache.block if is_taken_for_ours else ours
    assert not is_landed(trader.send(other)[0])
    assert is_landed(trader.send(transaction)[0])
