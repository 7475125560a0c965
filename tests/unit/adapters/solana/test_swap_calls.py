"""Against every instruction that the real programs executed."""

import pytest

from chalicelib.adapters.solana.programs import PROGRAM_IDS, TOKEN, Cluster, SwapProgram
from chalicelib.adapters.solana.swap_calls import SwapCall, keys_of, swap_call
from chalicelib.amm.swaps import Exact
from tests.unit.adapters.solana.examples import all_cases
from tests.vectors.onchain import Case
from tests.vectors.onchain_checks import KINDS_NEVER_SENT

IDS = PROGRAM_IDS[Cluster.MAINNET]


OLDER = frozenset({"swap", "swap_exact_out"})


def is_ours(case: Case) -> bool:
    """Whether it is a form that we send: programs take older ones, too."""
    return case.kind not in KINDS_NEVER_SENT and case.instruction_name not in OLDER


def ours(program: SwapProgram) -> Case:
    return next(case for case in all_cases(program) if is_ours(case) and case.error is None)


def call_of(case: Case) -> SwapCall | None:
    instruction = case.instruction
    return swap_call(IDS, instruction.program, keys_of(instruction.accounts), instruction.data)


@pytest.mark.parametrize("program", list(SwapProgram))
def test_our_form_of_every_executed_swap_is_read_back(program: SwapProgram) -> None:
    checked = 0
    for case in all_cases(program):
        if not is_ours(case):
            continue
        call = call_of(case)
        assert call is not None
        wanted = (case.pool, case.request.mode, case.request.amount, case.threshold)
        assert (call.pool, call.mode, call.amount, call.threshold) == wanted
        checked += 1
    assert checked >= 20


@pytest.mark.parametrize("program", list(SwapProgram))
def test_other_call_of_a_swap_program_is_refused(program: SwapProgram) -> None:
    case = ours(program)
    data, keys = case.instruction.data, keys_of(case.instruction.accounts)
    key = case.program_id
    for spoiled in (b"\0" + data[1:], data + b"\0", data[:-1], data[:8], b""):
        with pytest.raises(ValueError, match="something else"):
            swap_call(IDS, key, keys, spoiled)
    with pytest.raises(ValueError, match="accounts"):
        swap_call(IDS, key, keys[:5], data)
    assert swap_call(IDS, TOKEN, keys, data) is None


@pytest.mark.parametrize(("program", "place"), [(SwapProgram.DLMM, 9), (SwapProgram.DAMM_V2, 11)])
def test_share_of_the_fee_for_somebody_else_is_refused(program: SwapProgram, place: int) -> None:
    case = ours(program)
    keys = list(keys_of(case.instruction.accounts))
    keys[place] = case.pool
    with pytest.raises(ValueError, match="a share of the fee"):
        swap_call(IDS, case.program_id, tuple(keys), case.instruction.data)


def test_partial_fill_is_no_call_of_ours() -> None:
    case = ours(SwapProgram.DAMM_V2)
    with pytest.raises(ValueError, match="something else"):
        swap_call(
            IDS, case.program_id, keys_of(case.instruction.accounts), case.instruction.data[:-1] + b"\1"
        )
    assert case.request.mode in Exact
