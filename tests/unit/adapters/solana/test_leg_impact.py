"""The impact that events tell, against the one that the pools before the swaps had.

Every vector of our form.
"""

from decimal import Decimal

import pytest

from chalicelib.adapters.solana.events import swap_event
from chalicelib.adapters.solana.leg_impact import UNKNOWN, impact_bps
from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.pools import spot_price, swap
from chalicelib.amm.swaps import Swap, SwapRefusedError, SwapResult
from chalicelib.domain.prices import price_impact_bps
from tests.unit.adapters.solana.examples import a_pool, all_cases
from tests.unit.adapters.solana.test_swap_calls import is_ours
from tests.vectors.onchain import Case

FINE = 100_000
"""Units: smaller swaps round by more than a hundredth of a basis point."""


def told(case: Case, result: SwapResult) -> str:
    events = [event for data in case.events if (event := swap_event(case.program, data)) is not None]
    state = a_pool(case).state
    return impact_bps(
        events[0],
        is_fee_on_input=result.fee_token == case.request.token_in,
        bin_step=state.parameters.bin_step if isinstance(state, DlmmPool) else None,
    )


def modelled(case: Case) -> SwapResult | None:
    request, clock = case.request, case.clock
    try:
        asked = Swap(request.mode, request.amount, request.token_in, clock.unix_timestamp, clock.slot)
        return swap(a_pool(case).state, asked)[0]
    except SwapRefusedError:
        return None


@pytest.mark.parametrize(
    ("program", "within"),
    [(SwapProgram.CPMM, "0.5"), (SwapProgram.DLMM, "0.5"), (SwapProgram.DAMM_V2, "0.5")],
)
def test_impact_is_that_of_the_pool_before_the_swap(program: SwapProgram, within: str) -> None:
    checked = 0
    for case in all_cases(program):
        result = modelled(case) if is_ours(case) and case.error is None and case.kind == "normal" else None
        if result is None or min(result.amount_in, result.amount_out) < FINE:
            continue
        expected = price_impact_bps(spot_price(a_pool(case).state), case.request.token_in, result)
        assert abs(Decimal(told(case, result)) - Decimal(expected)) <= Decimal(within), case.name
        checked += 1
    assert checked > 20


def test_build_that_tells_no_fee_and_pair_that_is_not_known_tell_no_impact() -> None:
    for program in (SwapProgram.CLMM, SwapProgram.DLMM):
        case = next(case for case in all_cases(program) if is_ours(case) and case.error is None)
        events = [event for data in case.events if (event := swap_event(case.program, data)) is not None]
        assert impact_bps(events[0], is_fee_on_input=True) == UNKNOWN
