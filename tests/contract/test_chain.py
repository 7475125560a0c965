"""What every ``Chain`` promises its callers."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market import base58
from chalicelib.adapters.simulated_market.chain import MarketChain
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.seed import seed
from chalicelib.adapters.simulated_market.settings import MarketSettings
from chalicelib.domain.errors import Code
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import InstructedLeg, InstructedPath, SignatureStatus, SwapInstruction
from chalicelib.services.ports import Chain

POOL = "raydium-cpmm-SOL-USDC-25"


@pytest.fixture(scope="module")
def chain(make_database: Callable[[], str]) -> Iterator[Chain]:
    engine = make_engine(make_database())
    seed(engine, load_market())
    settings = MarketSettings(quote_latency_ms=0, settlement_latency_ms=0)
    yield MarketChain(engine, b"a seed", load_market().tokens, settings)
    engine.dispose()


def an_instruction(
    *, attempt: int = 1, threshold_units: int = 1, account_id: str = "alice"
) -> SwapInstruction:
    return SwapInstruction(
        account_id=account_id,
        order_id=uuid4(),
        attempt=attempt,
        swap_mode=SwapMode.EXACT_IN,
        input_token="SOL",
        output_token="USDC",
        paths=(InstructedPath(("SOL", "USDC"), ((InstructedLeg(POOL, 10**9),),)),),
        threshold_units=threshold_units,
    )


def test_signing_sends_nothing_and_each_signature_is_64_bytes_and_its_own(chain: Chain) -> None:
    signed = chain.sign([an_instruction(), an_instruction(), an_instruction(account_id="bob")])
    signatures = [transaction.signature for transaction in signed]
    assert len(set(signatures)) == 3
    assert {len(base58.decode(signature)) for signature in signatures} == {64}
    view = chain.view(signatures)
    assert {status.signature_status for status in view.statuses.values()} == {SignatureStatus.UNKNOWN}
    assert all(transaction.last_valid_height > view.height for transaction in signed)


def test_view_answers_for_each_signature_asked_and_no_other(chain: Chain) -> None:
    (sent,) = chain.sign([an_instruction()])
    chain.send([sent])
    assert chain.view(["unheard-of"]).statuses.keys() == {"unheard-of"}
    assert chain.view([sent.signature, sent.signature, "x"]).statuses.keys() == {sent.signature, "x"}
    assert chain.view([]).statuses == {}


def test_landed_transaction_tells_amounts_legs_and_slot_and_never_changes(chain: Chain) -> None:
    (sent,) = chain.sign([an_instruction()])
    chain.send([sent])
    status = chain.view([sent.signature]).statuses[sent.signature]
    assert (status.signature_status, status.input_units, status.refusal) == (
        SignatureStatus.LANDED,
        10**9,
        None,
    )
    assert status.slot is not None
    assert sum(leg.output_units for leg in status.legs) == status.output_units > 0
    chain.send([sent])
    assert chain.view([sent.signature]).statuses[sent.signature] == status


def test_broken_threshold_is_refused_with_its_reason_and_paid_nothing(chain: Chain) -> None:
    (sent,) = chain.sign([an_instruction(threshold_units=2**63)])
    chain.send([sent])
    status = chain.view([sent.signature]).statuses[sent.signature]
    assert (status.signature_status, status.refusal) == (SignatureStatus.REFUSED, Code.SLIPPAGE_EXCEEDED)
    assert (status.input_units, status.output_units, status.legs) == (0, 0, ())


def test_height_never_falls(chain: Chain) -> None:
    heights = [chain.view([]).height for _ in range(5)]
    assert heights == sorted(heights)


def test_nothing_to_sign_or_send_is_fine(chain: Chain) -> None:
    assert list(chain.sign([])) == []
    chain.send([])
