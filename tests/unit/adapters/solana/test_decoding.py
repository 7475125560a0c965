"""What a pool's bytes become where no recorded swap says it: they are put there one by one."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from chalicelib.adapters.solana import meteora_dlmm, raydium_clmm
from chalicelib.adapters.solana.accounts import Account, Unsupported, UnsupportedPoolError
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.meteora_damm_v2 import DammV2Accounts
from chalicelib.adapters.solana.meteora_dlmm import DlmmAccounts
from chalicelib.adapters.solana.pool_reading import arrays_around
from chalicelib.adapters.solana.programs import INSTRUCTIONS_SYSVAR, PROGRAM_IDS, Cluster, SwapProgram
from chalicelib.adapters.solana.raydium_clmm import ClmmAccounts
from chalicelib.adapters.solana.raydium_cpmm import CpmmAccounts
from chalicelib.adapters.solana.swap_terms import SwapTerms
from chalicelib.adapters.solana.tokens import token_account_of
from chalicelib.amm.clmm_tick import SQRT_PRICE_MAX, SQRT_PRICE_MIN, TICK_MAX
from chalicelib.amm.damm_v2_base_fee import RateLimiterFee
from chalicelib.amm.raydium_cpmm import CreatorFeeOn
from chalicelib.amm.swaps import TokenIndex
from chalicelib.domain.swap_mode import SwapMode
from tests.unit.adapters.solana.examples import (
    a_case,
    a_pool,
    all_cases,
    refusal_of,
    with_account,
    with_bytes,
)
from tests.vectors.onchain import TOKENS, Case

CREATOR_FEE_RATE, CONFIG_RATES = 108, 12
"""Where an ``AmmConfig`` has them; the trade fee's is first, then the protocol's and the fund's of that."""
PROTOCOL_FEES = 341
CREATOR_FEE_ON = 389


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def cpmm(case: Case) -> CpmmAccounts:
    pool = a_pool(case)
    assert isinstance(pool, CpmmAccounts)
    return pool


def with_rates(*, trade: int, protocol: int = 0, fund: int = 0, creator: int = 0) -> Case:
    case = a_case(SwapProgram.CPMM)
    config = cpmm(case).config
    case = with_bytes(case, config, CONFIG_RATES, u64(trade) + u64(protocol) + u64(fund))
    return with_bytes(case, config, CREATOR_FEE_RATE, u64(creator))


@pytest.mark.parametrize(
    ("on", "taken"), [(0, CreatorFeeOn.BOTH), (1, CreatorFeeOn.ONLY_0), (2, CreatorFeeOn.ONLY_1)]
)
def test_cpmm_pool_takes_its_creators_fee_from_the_token_that_its_bytes_name(
    on: int, taken: CreatorFeeOn
) -> None:
    case = with_rates(trade=2_500, creator=700)
    case = with_bytes(case, case.pool, CREATOR_FEE_ON, bytes([on, 1]))
    assert (cpmm(case).state.fees.creator_fee_rate, cpmm(case).state.fees.creator_fee_on) == (700, taken)


def test_cpmm_pool_that_does_not_turn_the_creators_fee_on_takes_none() -> None:
    case = with_rates(trade=2_500, creator=700)
    assert cpmm(with_bytes(case, case.pool, CREATOR_FEE_ON, bytes([0, 0]))).state.fees.creator_fee_rate == 0


def test_cpmm_rates_that_leave_something_are_believed_and_no_others() -> None:
    fees = cpmm(with_rates(trade=999_998, protocol=400_000, fund=600_000, creator=1)).state.fees
    assert (fees.trade_fee_rate, fees.protocol_fee_rate, fees.fund_fee_rate) == (999_998, 400_000, 600_000)
    for case in (
        with_rates(trade=999_999, creator=1),
        with_rates(trade=1_000_000),
        with_rates(trade=2_500, protocol=400_001, fund=600_000),
    ):
        assert refusal_of(case) is Unsupported.IMPLAUSIBLE


@pytest.mark.parametrize("token", [0, 1])
def test_cpmm_reserve_is_what_the_vault_holds_beyond_all_that_it_owes(token: int) -> None:
    case = a_case(SwapProgram.CPMM)
    held = token_account_of(case.accounts[cpmm(case).vaults[token]]).amount

    def reserve(protocol: int, fund: int, creator: int) -> int:
        changed = with_bytes(case, case.pool, PROTOCOL_FEES + 8 * token, u64(protocol))
        changed = with_bytes(changed, case.pool, PROTOCOL_FEES + 16 + 8 * token, u64(fund))
        changed = with_bytes(changed, case.pool, 397 + 8 * token, u64(creator))
        state = cpmm(changed).state
        return (state.reserve_0, state.reserve_1)[token]

    assert reserve(1, 20, 300) == held - 321
    assert reserve(held - 321, 20, 301) == 0


@pytest.mark.parametrize("token", [0, 1])
def test_cpmm_vault_of_another_token_or_that_is_frozen_is_refused(token: int) -> None:
    case = a_case(SwapProgram.CPMM)
    pool = cpmm(case)
    other = with_bytes(case, pool.vaults[token], 0, Pubkey(pool.mints[1 - token].key))
    assert refusal_of(other) is Unsupported.WRONG_POOL
    assert refusal_of(with_bytes(case, pool.vaults[token], 108, b"\x02")) is Unsupported.FROZEN_VAULT


ARRAYS = {SwapProgram.CLMM: (10_240, 40, 8), SwapProgram.DLMM: (10_136, 8, 24)}
"""How long an array's account is, and where it says where it begins and whose it is."""
EXTENSION_OF = {SwapProgram.CLMM: raydium_clmm.extension_of, SwapProgram.DLMM: meteora_dlmm.extension_of}
IDS = PROGRAM_IDS[Cluster.MAINNET]
SPACINGS_AT = {SwapProgram.CLMM: 235, SwapProgram.DLMM: 80}


def arrays_of(case: Case) -> tuple[tuple[Pubkey, ...], tuple[Pubkey, ...]]:
    pool = a_pool(case)
    assert isinstance(pool, ClmmAccounts | DlmmAccounts)
    return pool.arrays


@pytest.mark.parametrize("program", list(ARRAYS))
def test_arrays_behind_one_that_was_not_read_are_not_quoted(program: SwapProgram) -> None:
    case = next(one for one in all_cases(program) if one.kind == "normal" and len(arrays_of(one)[1]) == 3)
    first, second, third = arrays_of(case)[1]
    without = [replace(case, accounts=dropped(case.accounts, key)) for key in (first, second, third)]
    assert [arrays_of(one)[1] for one in without] == [(), (first,), (first, second)]


@pytest.mark.parametrize("program", list(ARRAYS))
def test_array_that_begins_elsewhere_than_its_address_says_is_refused(program: SwapProgram) -> None:
    case = a_case(program)
    length, start_at, _ = ARRAYS[program]
    array = next(key for key, account in case.accounts.items() if len(account.data) == length)
    start = case.accounts[array].data[start_at]
    assert refusal_of(with_bytes(case, array, start_at, bytes([start ^ 1]))) is Unsupported.WRONG_POOL


@pytest.mark.parametrize("program", list(ARRAYS))
def test_bitmap_extension_of_another_pool_is_refused(program: SwapProgram) -> None:
    case = next(
        one for one in all_cases(program) if EXTENSION_OF[program](one.program_id, one.pool) in one.accounts
    )
    extension = EXTENSION_OF[program](case.program_id, case.pool)
    assert refusal_of(with_bytes(case, extension, 8, bytes(32))) is Unsupported.WRONG_POOL
    owner = case.accounts[extension]._replace(owner=case.pool)
    assert refusal_of(with_account(case, extension, owner)) is Unsupported.WRONG_OWNER


@pytest.mark.parametrize("program", list(ARRAYS))
def test_pool_that_is_not_to_be_traded_names_no_arrays(program: SwapProgram) -> None:
    case = a_case(program)
    for odd in (
        with_bytes(case, case.pool, SPACINGS_AT[program], b"\0\0"),
        next(one for one in all_cases(program) if one.kind == "swap_disabled"),
    ):
        with pytest.raises(UnsupportedPoolError):
            arrays_around(IDS, odd.pool, odd.accounts)


def test_ticks_that_are_out_of_order_twice_there_or_outside_their_array_are_refused() -> None:
    def ticks(case: Case) -> tuple[int, ...]:
        pool = a_pool(case)
        assert isinstance(pool, ClmmAccounts)
        return tuple(tick.tick for tick in pool.state.ticks)

    case = next(
        one
        for one in all_cases(SwapProgram.CLMM)
        if one.kind == "normal" and len({*arrays_of(one)[0], *arrays_of(one)[1]}) == 1 and len(ticks(one)) > 1
    )
    (array,) = {*arrays_of(case)[0], *arrays_of(case)[1]}
    first, second, *_ = ticks(case)
    at = case.accounts[array].data.index(i32(first), 44)
    start = int.from_bytes(case.accounts[array].data[40:44], "little", signed=True)
    assert ticks(with_bytes(case, array, at, i32(start)))[0] == start
    for odd in (second, second + 1, start - 1):
        assert refusal_of(with_bytes(case, array, at, i32(odd))) is Unsupported.IMPLAUSIBLE
    last = case.accounts[array].data.index(i32(ticks(case)[-1]), 44)
    width = 60 * int.from_bytes(case.accounts[case.pool].data[235:237], "little")
    assert ticks(with_bytes(case, array, last, i32(start + width - 1)))[-1] == start + width - 1
    assert refusal_of(with_bytes(case, array, last, i32(start + width))) is Unsupported.IMPLAUSIBLE


def test_clmm_rates_and_prices_are_believed_up_to_the_programs_bounds() -> None:
    case = a_case(SwapProgram.CLMM)
    pool = a_pool(case)
    assert isinstance(pool, ClmmAccounts)

    def with_rates(protocol: int, trade: int, fund: int) -> Case:
        changed = with_bytes(case, pool.config, 43, i32(protocol) + i32(trade))
        return with_bytes(changed, pool.config, 53, i32(fund))

    for odd in (
        with_rates(0, 1_000_000, 0),
        with_rates(400_001, 2_500, 600_000),
        with_bytes(case, case.pool, 253, (SQRT_PRICE_MIN - 1).to_bytes(16, "little")),
        with_bytes(case, case.pool, 253, (SQRT_PRICE_MAX + 1).to_bytes(16, "little")),
        with_bytes(case, case.pool, 269, i32(TICK_MAX + 1)),
        with_bytes(case, case.pool, 269, i32(-TICK_MAX - 1)),
    ):
        assert refusal_of(odd) is Unsupported.IMPLAUSIBLE
    a_pool(with_rates(400_000, 999_999, 600_000))
    for price in (SQRT_PRICE_MIN, SQRT_PRICE_MAX):
        a_pool(with_bytes(case, case.pool, 253, price.to_bytes(16, "little")))
    for tick in (TICK_MAX, -TICK_MAX):
        assert len(arrays_of(with_bytes(case, case.pool, 269, i32(tick)))) == 2


def i32(number: int) -> bytes:
    return number.to_bytes(4, "little", signed=True)


def dropped(accounts: Mapping[Pubkey, Account], key: Pubkey) -> Mapping[Pubkey, Account]:
    return {one: account for one, account in accounts.items() if one != key}


def damm(case: Case) -> DammV2Accounts:
    pool = a_pool(case)
    assert isinstance(pool, DammV2Accounts)
    return pool


def test_pool_whose_rate_limiter_applies_names_the_sysvar_for_purchases_of_a_alone() -> None:
    limited = next(pool for case in cases_of_kind("rate_limiter") if (pool := damm(case)).limited)
    key = limited.key

    def names_it(token_in: TokenIndex) -> bool:
        terms = SwapTerms(key, key, key, token_in, SwapMode.EXACT_IN, 1, 1)
        return INSTRUCTIONS_SYSVAR in {account.key for account in limited.swap(terms).accounts}

    assert [(names_it(token_in), limited.is_limited(token_in)) for token_in in TOKENS] == [
        (False, False), (True, True)
    ]  # fmt: skip


def cases_of_kind(kind: str) -> list[Case]:
    return [case for case in all_cases(SwapProgram.DAMM_V2) if case.kind == kind and case.error is None]


def in_mode(mode: int, *, collects: int | None = None) -> Case:
    """A pool whose base fee falls in that mode: 0 linearly, 1 exponentially."""

    def fits(case: Case) -> bool:
        data = case.accounts[case.pool].data
        return data[16] == mode and collects in {None, data[484]}

    return next(case for case in cases_of_kind("normal") if fits(case))


def test_base_fee_falls_to_nothing_at_most() -> None:
    linear, exponential = in_mode(0), in_mode(1)
    cliff = u64(1_000_000)
    for periods, reduction, is_believed in ((10, 100_000, True), (10, 100_001, False), (0, 2**63, True)):
        case = with_bytes(linear, linear.pool, 8, cliff)
        case = with_bytes(case, case.pool, 22, periods.to_bytes(2, "little"))
        case = with_bytes(case, case.pool, 32, u64(reduction))
        if is_believed:
            a_pool(case)
        else:
            assert refusal_of(case) is Unsupported.IMPLAUSIBLE
    a_pool(with_bytes(exponential, exponential.pool, 32, u64(10_000)))
    odd = with_bytes(exponential, exponential.pool, 32, u64(10_001))
    assert refusal_of(odd) is Unsupported.IMPLAUSIBLE


@pytest.mark.parametrize("at", [680, 688])
def test_compounding_pool_without_one_of_its_tokens_is_empty(at: int) -> None:
    case = in_mode(0, collects=2)
    assert refusal_of(with_bytes(case, case.pool, at, bytes(8))) is Unsupported.EMPTY


U128, BILLION = 16, 10**9


@pytest.mark.parametrize(
    ("at", "width", "believed", "refused"),
    [
        (8, 8, [0, BILLION - 1], [BILLION]),
        (48, 1, [100], [101]),
        (54, 2, [10_000], [10_001]),
        (88, U128, [1], [0]),
        (104, U128, [1], [0]),
        (424, U128, [1, 10**6], [0, 10**6 + 1]),
        (440, U128, [10**6, 10**7], [10**6 - 1]),
    ],
    ids=["cliff", "protocol", "compounded", "dynamic step", "dynamic reference", "lowest", "highest"],
)
def test_damm_pool_is_believed_up_to_the_programs_bounds(
    at: int, width: int, believed: list[int], refused: list[int]
) -> None:
    case = in_mode(0, collects=0)
    case = with_bytes(case, case.pool, 22, bytes(2))  # no periods
    case = with_bytes(case, case.pool, 456, (10**6).to_bytes(U128, "little"))
    case = with_bytes(case, case.pool, 424, b"\1".ljust(U128, b"\0"))
    case = with_bytes(case, case.pool, 56, b"\1")
    for reference in (88, 104):
        case = with_bytes(case, case.pool, reference, b"\1".ljust(U128, b"\0"))
    for number in believed:
        a_pool(with_bytes(case, case.pool, at, number.to_bytes(width, "little")))
    for number in refused:
        odd = with_bytes(case, case.pool, at, number.to_bytes(width, "little"))
        assert refusal_of(odd) is Unsupported.IMPLAUSIBLE


def test_pool_without_a_dynamic_fee_needs_none_of_its_parameters() -> None:
    case = in_mode(0, collects=0)
    case = with_bytes(case, case.pool, 56, bytes(96))
    assert damm(case).state.dynamic_fee is None


def with_limiter(*, cliff: int, increment: int, duration: int, most: int, reference: int) -> Case:
    case = cases_of_kind("rate_limiter")[0]
    words = u64(cliff) + b"\2".ljust(6, b"\0") + increment.to_bytes(2, "little")
    return with_bytes(case, case.pool, 8, words + i32(duration) + i32(most) + u64(reference))


def test_rate_limiter_is_whole_or_absent_and_does_not_begin_above_its_most() -> None:
    whole = {"cliff": 10_000_000, "increment": 10, "duration": 2**24 + 5, "most": 5_000, "reference": 10**9}
    limiter = RateLimiterFee(10_000_000, 10, 2**24 + 5, 5_000, 10**9)
    assert damm(with_limiter(**whole)).state.fees.base == limiter
    a_pool(with_limiter(**whole | {"cliff": 500_000_000}))
    a_pool(with_limiter(**whole | {"cliff": BILLION - 1, "most": 20_000}))
    a_pool(with_limiter(cliff=10_000_000, increment=0, duration=0, most=0, reference=0))
    odd = [whole | {"cliff": 500_000_001}, *(whole | {name: 0} for name in whole if name != "cliff")]
    for parts in odd:
        assert refusal_of(with_limiter(**parts)) is Unsupported.IMPLAUSIBLE


@pytest.mark.parametrize(("at", "width"), [(24, 4), (152, U128)], ids=["step", "first price"])
def test_fee_by_market_cap_without_what_it_is_measured_by_is_refused(at: int, width: int) -> None:
    case = cases_of_kind("market_cap")[0]
    a_pool(case)
    assert refusal_of(with_bytes(case, case.pool, at, bytes(width))) is Unsupported.UNKNOWN_FEE_MODE
