"""What every ``Chain`` promises its callers.

The simulated market's in Postgres, the simulation's, and Solana's.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from chalicelib.adapters import base58
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.chain import MarketChain
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.seed import seed
from chalicelib.adapters.simulated_market.settings import MarketSettings
from chalicelib.adapters.solana.keys import address_of
from chalicelib.domain.errors import Code, RetryableError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import (
    InstructedLeg,
    InstructedPath,
    SignatureStatus,
    SignedTransaction,
    SwapInstruction,
)
from chalicelib.services.ports import Chain
from tests.simulation.chain import SimulatedChain
from tests.simulation.dice import CALM
from tests.simulation.scheduler import Scheduler
from tests.simulation.world import World
from tests.support.local_chain import market_on, write_pool_file
from tests.unit.infra.chain.running import running

UNHEARD_OF = base58.encode(bytes([7] * 64))


@dataclass(frozen=True, slots=True)
class ChainOnTrial:
    """An implementation, and what a test has to know of it.

    Attributes:
        pool_id: A pool of SOL and USDC that fills an order of one SOL.
        settle: Lets time pass until what was sent has landed.
    """

    chain: Chain
    pool_id: str
    settle: Callable[[], object]

    def send(self, *transactions: SignedTransaction) -> None:
        self.chain.send(transactions)
        self.settle()


def _nothing() -> None:
    """What is sent lands at once."""


@contextmanager
def _market(make_database: Callable[[], str]) -> Iterator[ChainOnTrial]:
    engine = make_engine(make_database())
    seed(engine, load_market())
    settings = MarketSettings(quote_latency_ms=0, settlement_latency_ms=0)
    chain = MarketChain(engine, lambda: b"a seed", load_market().tokens, settings)
    yield ChainOnTrial(chain, "raydium-cpmm-SOL-USDC-25", _nothing)
    engine.dispose()


@contextmanager
def _simulation(_make_database: Callable[[], str]) -> Iterator[ChainOnTrial]:
    scheduler = Scheduler()
    chain = SimulatedChain(World(scheduler, Random(1), CALM))
    yield ChainOnTrial(chain, "raydium-pool", lambda: scheduler.run_until(scheduler.now_s + 10))


@contextmanager
def _solana(_make_database: Callable[[], str], home: Path) -> Iterator[ChainOnTrial]:
    with running(home / "chain", "--seed", "--block-ms", "50") as process:
        url, status = f"http://127.0.0.1:{process.port}", process.call("chain_status")
        market = market_on(url, write_pool_file(home / "pools.toml", url, status), seed="a seed")
        for account_id in ("alice", "bob"):
            process.call("chain_fund", address_of(market.signer.wallet(account_id).owner))
        (pool_id,) = (one["address"] for one in status["pools"] if one["id"] == "raydium-cpmm-SOL-USDC-25")
        yield ChainOnTrial(market.chain, pool_id, lambda: process.call("chain_advance", 3))
        market.nodes.close()


@pytest.fixture(
    scope="module", params=[_market, _simulation, _solana], ids=["market", "simulation", "solana"]
)
def on_trial(
    request: pytest.FixtureRequest,
    make_database: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ChainOnTrial]:
    home = [tmp_path_factory.mktemp("solana")] if request.param is _solana else []
    with request.param(make_database, *home) as made:
        yield made


@pytest.fixture
def chain(on_trial: ChainOnTrial) -> Chain:
    return on_trial.chain


def an_instruction(
    on_trial: ChainOnTrial,
    *,
    attempt: int = 1,
    threshold_units: int = 1,
    account_id: str = "alice",
    pool_id: str = "",
) -> SwapInstruction:
    leg = InstructedLeg(pool_id or on_trial.pool_id, 10**9)
    return SwapInstruction(
        account_id=account_id,
        order_id=uuid4(),
        attempt=attempt,
        swap_mode=SwapMode.EXACT_IN,
        input_token="SOL",
        output_token="USDC",
        paths=(InstructedPath(("SOL", "USDC"), ((leg,),)),),
        threshold_units=threshold_units,
    )


def test_signing_sends_nothing_and_each_signature_is_64_bytes_and_its_own(
    on_trial: ChainOnTrial, chain: Chain
) -> None:
    signed = chain.sign(
        [an_instruction(on_trial), an_instruction(on_trial), an_instruction(on_trial, account_id="bob")]
    )
    signatures = [transaction.signature for transaction in signed]
    assert len(set(signatures)) == 3
    assert {len(base58.decode(signature)) for signature in signatures} == {64}
    view = chain.view(signatures)
    assert {status.signature_status for status in view.statuses.values()} == {SignatureStatus.UNKNOWN}
    assert all(transaction.last_valid_height > view.height for transaction in signed)


def test_view_answers_for_each_signature_asked_and_no_other(on_trial: ChainOnTrial, chain: Chain) -> None:
    (sent,) = chain.sign([an_instruction(on_trial)])
    on_trial.send(sent)
    assert chain.view([UNHEARD_OF]).statuses.keys() == {UNHEARD_OF}
    asked = [sent.signature, sent.signature, UNHEARD_OF]
    assert chain.view(asked).statuses.keys() == {sent.signature, UNHEARD_OF}
    assert chain.view([]).statuses == {}


def test_landed_transaction_tells_amounts_legs_and_slot_and_never_changes(
    on_trial: ChainOnTrial, chain: Chain
) -> None:
    (sent,) = chain.sign([an_instruction(on_trial)])
    on_trial.send(sent)
    status = chain.view([sent.signature]).statuses[sent.signature]
    assert (status.signature_status, status.input_units, status.refusal) == (
        SignatureStatus.LANDED,
        10**9,
        None,
    )
    assert status.slot is not None
    assert sum(leg.output_units for leg in status.legs) == status.output_units > 0
    on_trial.send(sent)
    assert chain.view([sent.signature]).statuses[sent.signature] == status


def test_broken_threshold_is_refused_with_its_reason_and_paid_nothing(
    on_trial: ChainOnTrial, chain: Chain
) -> None:
    (sent,) = chain.sign([an_instruction(on_trial, threshold_units=2**63)])
    on_trial.send(sent)
    status = chain.view([sent.signature]).statuses[sent.signature]
    assert (status.signature_status, status.refusal) == (SignatureStatus.REFUSED, Code.SLIPPAGE_EXCEEDED)
    assert (status.input_units, status.output_units, status.legs) == (0, 0, ())


def test_pool_that_is_not_there_is_refused_and_paid_nothing(on_trial: ChainOnTrial, chain: Chain) -> None:
    try:
        (sent,) = chain.sign([an_instruction(on_trial, pool_id="nowhere")])
    except RetryableError:
        return  # nothing is signed where pools are read to build with
    on_trial.send(sent)
    status = chain.view([sent.signature]).statuses[sent.signature]
    assert status.signature_status is SignatureStatus.REFUSED
    assert (status.input_units, status.output_units, status.legs) == (0, 0, ())


def test_height_never_falls(chain: Chain) -> None:
    heights = [chain.view([]).height for _ in range(5)]
    assert heights == sorted(heights)


def test_nothing_to_sign_or_send_is_fine(chain: Chain) -> None:
    assert list(chain.sign([])) == []
    chain.send([])
