"""What stands in a pool's bytes against trading it, byte by byte."""

from random import Random

import pytest

from chalicelib.adapters.solana.accounts import Unsupported, UnsupportedPoolError
from chalicelib.adapters.solana.keys import NO_KEY, Pubkey
from chalicelib.adapters.solana.programs import TOKEN, SwapProgram
from chalicelib.amm.pools import swap
from chalicelib.amm.swaps import Swap, SwapRefusedError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.curves import curve_of
from chalicelib.routing.exactness import EXACT
from tests.unit.adapters.solana.examples import (
    a_case,
    a_pool,
    all_cases,
    refusal_of,
    with_account,
    with_bytes,
)

PROGRAMS = list(SwapProgram)
OF_THE_PROGRAM = {236, 117, 10_240, 10_136, 1_832, 1_576}
"""Lengths of configurations, arrays and bitmaps; other accounts beside a pool are not read."""
MINTS_AT = {SwapProgram.CPMM: 168, SwapProgram.CLMM: 73, SwapProgram.DLMM: 88, SwapProgram.DAMM_V2: 168}


@pytest.mark.parametrize("program", PROGRAMS)
def test_account_of_another_program_is_no_pool_whatever_its_bytes(program: SwapProgram) -> None:
    case = a_case(program)
    pool = case.accounts[case.pool]
    assert refusal_of(with_account(case, case.pool, pool._replace(owner=TOKEN))) is Unsupported.WRONG_OWNER


@pytest.mark.parametrize("program", [SwapProgram.CPMM, SwapProgram.CLMM, SwapProgram.DLMM])
def test_what_another_program_wrote_beside_a_pool_is_not_believed(program: SwapProgram) -> None:
    case = a_case(program)
    a_pool(case)
    beside = [
        key for key, account in case.accounts.items() if account.owner == case.program_id and key != case.pool
    ]
    for key in beside:
        forged = case.accounts[key]._replace(owner=TOKEN)
        if len(forged.data) in OF_THE_PROGRAM:
            assert refusal_of(with_account(case, key, forged)) is Unsupported.WRONG_OWNER
    assert any(len(case.accounts[key].data) in OF_THE_PROGRAM for key in beside)


@pytest.mark.parametrize("program", PROGRAMS)
def test_another_discriminator_or_length_is_another_layout(program: SwapProgram) -> None:
    case = a_case(program)
    pool = case.accounts[case.pool]
    assert refusal_of(with_bytes(case, case.pool, 0, b"\0")) is Unsupported.UNKNOWN_LAYOUT
    for data in (pool.data[:-1], pool.data + b"\0", b""):
        assert (
            refusal_of(with_account(case, case.pool, pool._replace(data=data))) is Unsupported.UNKNOWN_LAYOUT
        )


@pytest.mark.parametrize("program", PROGRAMS)
def test_pool_that_is_not_there_is_missing(program: SwapProgram) -> None:
    case = a_case(program)
    assert refusal_of(with_account(case, case.pool, None)) is Unsupported.MISSING_ACCOUNT


@pytest.mark.parametrize("program", PROGRAMS)
def test_pool_whose_mint_is_not_a_token_programs_is_refused(program: SwapProgram) -> None:
    case = a_case(program)
    mint = Pubkey(case.accounts[case.pool].data[MINTS_AT[program] :][:32])
    forged = case.accounts[mint]._replace(owner=NO_KEY)
    assert refusal_of(with_account(case, mint, forged)) is Unsupported.WRONG_OWNER


@pytest.mark.parametrize(
    ("program", "at", "raw", "reason"),
    [
        (SwapProgram.CPMM, 329, b"\x04", Unsupported.SWAP_DISABLED),
        (SwapProgram.CPMM, 329, b"\xff", Unsupported.SWAP_DISABLED),
        (SwapProgram.CPMM, 389, b"\x03", Unsupported.UNKNOWN_FEE_MODE),
        (SwapProgram.CPMM, 341, b"\xff" * 8, Unsupported.UNKNOWN_LAYOUT),  # owes more than it holds
        (SwapProgram.CLMM, 389, b"\x10", Unsupported.SWAP_DISABLED),
        (SwapProgram.CLMM, 390, b"\x01", Unsupported.FEE_ON_ONE_TOKEN),
        (SwapProgram.CLMM, 390, b"\x02", Unsupported.FEE_ON_ONE_TOKEN),
        (SwapProgram.CLMM, 235, b"\0\0", Unsupported.IMPLAUSIBLE),
        (SwapProgram.CLMM, 253, bytes(16), Unsupported.IMPLAUSIBLE),
        (SwapProgram.CLMM, 269, b"\xff\xff\xff\x7f", Unsupported.IMPLAUSIBLE),
        (SwapProgram.DLMM, 82, b"\x01", Unsupported.SWAP_DISABLED),
        (SwapProgram.DLMM, 36, b"\x02", Unsupported.UNKNOWN_FEE_MODE),
        (SwapProgram.DLMM, 75, b"\x04", Unsupported.UNKNOWN_LAYOUT),
        (SwapProgram.DLMM, 86, b"\x02", Unsupported.UNKNOWN_LAYOUT),
        (SwapProgram.DLMM, 80, b"\0\0", Unsupported.IMPLAUSIBLE),
        (SwapProgram.DLMM, 76, b"\xff\xff\xff\x7f", Unsupported.IMPLAUSIBLE),
        (SwapProgram.DAMM_V2, 481, b"\x01", Unsupported.SWAP_DISABLED),
        (SwapProgram.DAMM_V2, 484, b"\x03", Unsupported.UNKNOWN_FEE_MODE),
        (SwapProgram.DAMM_V2, 486, b"\x02", Unsupported.UNKNOWN_FEE_MODE),
        (SwapProgram.DAMM_V2, 16, b"\x05", Unsupported.UNKNOWN_FEE_MODE),
        (SwapProgram.DAMM_V2, 480, b"\x02", Unsupported.UNKNOWN_LAYOUT),
        (SwapProgram.DAMM_V2, 360, bytes(16), Unsupported.EMPTY),
        (SwapProgram.DAMM_V2, 456, bytes(16), Unsupported.IMPLAUSIBLE),
        (SwapProgram.DAMM_V2, 8, b"\xff" * 8, Unsupported.IMPLAUSIBLE),
    ],
)
def test_pool_is_refused_by_its_bytes(program: SwapProgram, at: int, raw: bytes, reason: Unsupported) -> None:
    case = a_case(program)
    a_pool(case)
    assert refusal_of(with_bytes(case, case.pool, at, raw)) is reason


def test_clmm_pool_is_refused_for_any_byte_of_a_dynamic_fee() -> None:
    case = a_case(SwapProgram.CLMM)
    for at in range(1096, 1176):
        assert refusal_of(with_bytes(case, case.pool, at, b"\x01")) is Unsupported.DYNAMIC_FEE
    a_pool(with_bytes(case, case.pool, 1176, b"\x01"))


def test_cpmm_pool_with_deposits_disabled_still_swaps() -> None:
    case = a_case(SwapProgram.CPMM)
    a_pool(with_bytes(case, case.pool, 329, b"\x03"))


@pytest.mark.parametrize("at", [124, 132])  # orders_amount, part_filled_orders_remaining of the first tick
def test_clmm_pool_with_a_limit_order_in_an_array_it_would_pass_is_refused(at: int) -> None:
    case = a_case(SwapProgram.CLMM)
    array = next(key for key, account in case.accounts.items() if len(account.data) == 10_240)
    assert refusal_of(with_bytes(case, array, 44 + at, b"\x01")) is Unsupported.LIMIT_ORDERS


@pytest.mark.parametrize("program", [SwapProgram.CLMM, SwapProgram.DLMM])
def test_array_of_another_pool_is_refused(program: SwapProgram) -> None:
    case = a_case(program)
    length, at = (10_240, 8) if program is SwapProgram.CLMM else (10_136, 24)
    array = next(key for key, account in case.accounts.items() if len(account.data) == length)
    assert refusal_of(with_bytes(case, array, at, b"\0" * 32)) is Unsupported.WRONG_POOL


def test_old_bytes_are_no_limit_orders_in_a_pair_without_them() -> None:
    case = a_case(SwapProgram.DLMM, "limit_order")
    pool = a_pool(case)
    plain = a_pool(with_bytes(case, case.pool, 35, b"\x01"))  # function_type: liquidity mining
    assert pool.state.orders  # type: ignore[union-attr]  # a DLMM's
    assert not plain.state.orders  # type: ignore[union-attr]  # a DLMM's


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_bytes_of_a_lying_node_break_the_adapter_the_maths_or_the_router(program: SwapProgram) -> None:
    random = Random(program.value)
    for _ in range(150):
        case = random.choice(all_cases(program))
        key = random.choice([key for key, account in case.accounts.items() if len(account.data) > 60])
        for _ in range(random.choice([1, 2, 4])):
            width = random.choice([1, 2, 4, 8, 16])
            at = random.randrange(8, len(case.accounts[key].data) - width)
            raw = random.choice([bytes(width), b"\xff" * width, random.randbytes(width)])
            case = with_bytes(case, random.choice([key, case.pool]), at % 600, raw)
        try:
            pool = a_pool(case)
        except (UnsupportedPoolError, KeyError):  # KeyError: it names accounts that were not read
            continue
        for mode in SwapMode:
            request = Swap(
                EXACT[mode],
                random.choice([1, 10**6, 10**12]),
                random.choice([0, 1]),
                case.clock.unix_timestamp,
            )
            curve_of(pool.state, request.token_in, request.timestamp_s, slot=case.clock.slot)
            try:
                swap(pool.state, request)
            except SwapRefusedError:
                continue
