"""The impact that events tell, against the one that the pools before the swaps had.

Every vector of our form.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.adapters.solana.events import SwapEvent, swap_event
from chalicelib.adapters.solana.leg_impact import UNKNOWN, impact_bps
from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.pools import spot_price, swap
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.swaps import Swap, SwapRefusedError, SwapResult
from chalicelib.domain.prices import price_impact_bps
from tests.unit.adapters.solana.examples import a_pool, all_cases
from tests.unit.adapters.solana.test_swap_calls import is_ours
from tests.vectors.onchain import Case

FINE = 100_000
"""Units: smaller swaps round by more than a hundredth of a basis point."""


def told_event(case: Case) -> SwapEvent:
    return next(event for data in case.events if (event := swap_event(case.program, data)) is not None)


def told(case: Case, result: SwapResult) -> str:
    event, state = told_event(case), a_pool(case).state
    if event.trade_fee is None:  # the recorded swaps are of builds before May 2026
        event = replace(event, trade_fee=result.trade_fee)
    return impact_bps(
        event,
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


def crosses_ticks(case: Case) -> bool:
    state = a_pool(case).state
    if not isinstance(state, ClmmPool):
        return False
    low, high = sorted((state.tick_current, told_event(case).fields.ints["tick"]))
    return any(low <= tick.tick <= high for tick in state.ticks)


@pytest.mark.parametrize("program", SwapProgram)
def test_impact_is_that_of_the_pool_before_the_swap(program: SwapProgram) -> None:
    checked = 0
    for case in all_cases(program):
        result = modelled(case) if is_ours(case) and case.error is None and case.kind == "normal" else None
        if result is None or min(result.amount_in, result.amount_out) < FINE:
            continue
        if crosses_ticks(case):
            continue
        expected = price_impact_bps(spot_price(a_pool(case).state), case.request.token_in, result)
        assert abs(Decimal(told(case, result)) - Decimal(expected)) <= Decimal("0.5"), case.name
        checked += 1
    assert checked > 20


def test_build_that_tells_no_fee_and_pair_that_is_not_known_tell_no_impact() -> None:
    for program in (SwapProgram.CLMM, SwapProgram.DLMM):
        case = next(case for case in all_cases(program) if is_ours(case) and case.error is None)
        assert impact_bps(told_event(case), is_fee_on_input=True) == UNKNOWN


def test_creator_fee_that_a_pool_takes_of_what_leaves_it_is_part_of_the_impact() -> None:
    case = next(case for case in all_cases(SwapProgram.CPMM) if modelled(case))
    event, fee = told_event(case), 1_000
    ints = dict(event.fields.ints)
    told = impact_bps(event, is_fee_on_input=True)
    for on_input, taken in ((0, fee), (1, 0)):
        kept = {"output_amount": ints["output_amount"] - taken, "creator_fee": fee}
        fields = event.fields._replace(ints=ints | kept | {"creator_fee_on_input": on_input})
        assert impact_bps(replace(event, fields=fields), is_fee_on_input=True) == told
