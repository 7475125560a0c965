"""The model against the exact swaps: never below them, and above by rounding only."""

from dataclasses import replace
from random import Random

import pytest

from chalicelib.amm.activation import ActivationType
from chalicelib.amm.damm_v2_base_fee import RateLimiterFee
from chalicelib.amm.damm_v2_curve import CompoundingCurve, ConcentratedCurve
from chalicelib.amm.damm_v2_fee import BaseFee, DammCollectFeeMode, DammV2Fees
from chalicelib.amm.dlmm_fee import DlmmParameters, DlmmVolatility
from chalicelib.amm.dlmm_orders import BinOrders
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool
from chalicelib.amm.pools import Pool, TransferFeePool, swap
from chalicelib.amm.q64 import ONE
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool, CreatorFeeOn
from chalicelib.amm.swaps import Swap, SwapRefusedError, TokenIndex
from chalicelib.amm.transfer_fee import NO_FEE, TransferFee
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.curves import curve_of
from chalicelib.routing.errors import InsufficientLiquidityError
from chalicelib.routing.exactness import EXACT
from chalicelib.routing.marginal import best_rate
from chalicelib.routing.market import Market
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.ranges import in_for_out, out_for_in, total_in, total_out
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder
from tests.unit.routing.markets import KINDS, NOW_S, random_pool

MODEL_ERROR = 1e-11
A_PAIR = DlmmPool(
    DlmmParameters(25, 10_000, 30, 600, 5000, 7500, 350_000, 500),
    0,
    (Bin(0, 10**9, 10**9),),
    DlmmVolatility(),
)
ROUNDING_UNITS = 400  # a few units per bin or tick crossed, in the coarser of the two tokens


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("token_in", [0, 1])
def test_curve_bounds_exact_in_swaps_and_differs_by_rounding_only(kind: str, token_in: TokenIndex) -> None:
    random = Random(f"{kind} {token_in}")
    compared = 0
    for _ in range(40):
        pool = random_pool(random, kind, 0.15, 10**13)
        amount = int(10 ** random.uniform(7, 12.5))
        curve = curve_of(pool, token_in, NOW_S, stop_in=float(amount))
        modelled = out_for_in(curve, float(amount))
        exact = _swap(pool, SwapMode.EXACT_IN, amount, token_in)
        if exact is None:
            continue
        assert modelled is not None
        assert exact <= modelled * (1 + MODEL_ERROR)
        assert exact >= modelled * (1 - MODEL_ERROR) - ROUNDING_UNITS or _is_pooled(pool, token_in)
        compared += 1
    assert compared > 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("token_in", [0, 1])
def test_curve_bounds_exact_out_swaps_and_differs_by_rounding_only(kind: str, token_in: TokenIndex) -> None:
    random = Random(f"{kind} {token_in} out")
    compared = 0
    for _ in range(40):
        pool = random_pool(random, kind, 0.15, 10**13)
        amount = int(10 ** random.uniform(7, 12))
        curve = curve_of(pool, token_in, NOW_S, stop_out=float(amount))
        modelled = in_for_out(curve, float(amount))
        exact = _swap(pool, SwapMode.EXACT_OUT, amount, token_in)
        if exact is None:
            continue
        assert modelled is not None
        assert exact >= modelled * (1 - MODEL_ERROR)
        assert exact <= modelled * (1 + MODEL_ERROR) + ROUNDING_UNITS or _is_pooled(pool, token_in)
        compared += 1
    assert compared > 20


@pytest.mark.parametrize("creator_fee_on", list(CreatorFeeOn))
@pytest.mark.parametrize("token_in", [0, 1])
def test_creator_fee_is_modelled_on_its_side(creator_fee_on: CreatorFeeOn, token_in: TokenIndex) -> None:
    fees = CpmmFees(2_500, 120_000, 40_000, 10_000, creator_fee_on)
    _assert_models_exactly(CpmmPool(10**15, 10**14, fees), token_in)


@pytest.mark.parametrize("token_in", [0, 1])
def test_compounding_pool_is_a_constant_product(token_in: TokenIndex) -> None:
    fees = DammV2Fees(BaseFee(2_500_000), DammCollectFeeMode.COMPOUNDING, compounding_fee_bps=5_000)
    _assert_models_exactly(DammV2Pool(CompoundingCurve(10**15, 10**14), fees), token_in)


def test_scheduled_fee_is_the_one_in_force_at_the_time() -> None:
    base = BaseFee(500_000_000, number_of_period=120, period_frequency=60, reduction_factor=4_000_000)
    fees = DammV2Fees(base, DammCollectFeeMode.BOTH)
    pool = DammV2Pool(CompoundingCurve(10**15, 10**14), fees, activation_point=NOW_S - 3_600)
    _assert_models_exactly(pool, 0)


@pytest.mark.parametrize(
    "pool",
    [
        CpmmPool(10**9, 10**9, CpmmFees(2_500, 0, 0), open_time_s=NOW_S + 1),
        CpmmPool(10**9, 10**9, CpmmFees(0, 0, 0)),
        DammV2Pool(
            CompoundingCurve(10**9, 10**9),
            DammV2Fees(BaseFee(1), DammCollectFeeMode.BOTH),
            activation_point=NOW_S + 1,
        ),
        DammV2Pool(
            CompoundingCurve(10**9, 10**9),
            DammV2Fees(BaseFee(1), DammCollectFeeMode.BOTH),
            activation_point=400_000_000,
            activation_type=ActivationType.SLOT,
        ),
        replace(A_PAIR, activation_point=NOW_S + 1),
        replace(A_PAIR, activation_point=400_000_000, activation_type=ActivationType.SLOT),
        replace(A_PAIR, is_enabled=False),
    ],
)
def test_pool_that_refuses_every_swap_offers_nothing(pool: Pool) -> None:
    assert not curve_of(pool, 0, NOW_S)
    assert _swap(pool, SwapMode.EXACT_IN, 10**6, 0) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("token_in", [0, 1])
def test_transfer_fees_are_folded_into_the_curve(kind: str, token_in: TokenIndex) -> None:
    random = Random(f"{kind} {token_in} taxed")
    fees = (TransferFee(100), TransferFee(37))
    for _ in range(20):
        inner = random_pool(random, kind, 0.15, 10**13)
        assert not isinstance(inner, TransferFeePool)
        pool = TransferFeePool(inner, fees)
        amount = int(10 ** random.uniform(9, 12))
        exact = _swap(pool, SwapMode.EXACT_IN, amount, token_in)
        modelled = out_for_in(curve_of(pool, token_in, NOW_S, stop_in=float(amount)), float(amount))
        if exact is None or modelled is None:
            continue
        assert exact <= modelled * (1 + MODEL_ERROR)
        if not _is_pooled(inner, token_in):
            assert exact >= modelled * (1 - 1e-5) - ROUNDING_UNITS


@pytest.mark.parametrize("kind", ["clmm", "dlmm"])
@pytest.mark.parametrize("token_in", [0, 1])
def test_curve_is_read_as_far_as_what_arrives_after_transfer_fees(kind: str, token_in: TokenIndex) -> None:
    inner = random_pool(Random(3), kind, 0.15, 10**13)
    assert not isinstance(inner, TransferFeePool)
    pool = TransferFeePool(inner, (TransferFee(2_000), TransferFee(2_000)))
    whole = curve_of(pool, token_in, NOW_S)
    for part in range(1, 10):
        paid = total_out(whole) * part / 10
        assert total_out(curve_of(pool, token_in, NOW_S, stop_out=paid)) >= paid
        taken = total_in(whole) * part / 10
        assert total_in(curve_of(pool, token_in, NOW_S, stop_in=taken)) >= taken


@pytest.mark.parametrize("opened_s_ago", [-1, 0, 1])
@pytest.mark.parametrize("kind", ["cpmm", "clmm"])
def test_pool_offers_something_from_the_second_on_in_which_its_program_opens_it(
    kind: str, opened_s_ago: int
) -> None:
    state = random_pool(Random(3), kind, 0.15, 10**13)
    assert isinstance(state, CpmmPool | ClmmPool)
    pool = replace(state, open_time_s=NOW_S - opened_s_ago)
    is_open = _swap(pool, SwapMode.EXACT_IN, 10**6, 0) is not None
    assert (bool(curve_of(pool, 0, NOW_S)), best_rate(pool, 0, NOW_S) > 0) == (is_open, is_open)


def test_curve_counts_no_rounding_of_a_transfer_fee_that_other_amounts_escape() -> None:
    # Of the odd reserve, half and the unit that is rounded up are withheld; of one unit less, half.
    pool = TransferFeePool(CpmmPool(10**4, 26_727, CpmmFees(100, 0, 0)), (NO_FEE, TransferFee(5_000, 10**6)))
    result, _ = swap(pool, Swap(EXACT[SwapMode.EXACT_IN], 10**12, 0, NOW_S))
    promised = out_for_in(curve_of(pool, 0, NOW_S), 1e12)
    assert promised is not None
    assert result.amount_out == 13_363 <= promised


@pytest.mark.parametrize("token_in", [0, 1])
def test_pool_of_a_token_whose_transfers_leave_nothing_offers_nothing(token_in: TokenIndex) -> None:
    inner = CpmmPool(10**13, 10**13, CpmmFees(2_500, 0, 0))
    for fees in ((TransferFee(10_000), TransferFee(0)), (TransferFee(0), TransferFee(10_000))):
        assert not curve_of(TransferFeePool(inner, fees), token_in, NOW_S)


@pytest.mark.parametrize("amount", [10**6, 10**9, 10**12, 10**14])
@pytest.mark.parametrize("token_in", [0, 1])
def test_curve_bounds_swaps_of_a_pool_whose_transfer_fees_have_a_maximum(
    amount: int, token_in: TokenIndex
) -> None:
    fees = (TransferFee(500, 10**7), TransferFee(300, 10**8))
    pool = TransferFeePool(CpmmPool(10**13, 10**13, CpmmFees(2_500, 0, 0)), fees)
    modelled = out_for_in(curve_of(pool, token_in, NOW_S), float(amount))
    exact = _swap(pool, SwapMode.EXACT_IN, amount, token_in)
    assert modelled is not None
    assert exact is not None
    assert exact <= modelled


def test_curve_counts_what_limit_orders_sell() -> None:
    resting = BinOrders(0, 10**9, 10**9, is_ask=False)
    pool = replace(A_PAIR, orders=(resting,))
    _assert_models_exactly(replace(pool, bins=(Bin(0, 10**12, 10**12),)), 0)
    (part,) = curve_of(replace(pool, bins=(Bin(0, 0, 0),)), 0, NOW_S)
    assert part.amount_out == 2 * 10**9
    assert not curve_of(replace(pool, bins=(Bin(0, 0, 0),)), 1, NOW_S)


@pytest.mark.parametrize("amount", [10**8, 10**9, 3 * 10**9, 10**11, 10**12])
def test_curve_bounds_purchases_under_a_rate_limiter(amount: int) -> None:
    limiter = RateLimiterFee(10_000_000, 100, 3600, 5000, 10**9)
    curve = ConcentratedCurve(ONE, 10**14 * ONE, 4_295_048_016, 79_226_673_521_066_979_257_578_248_091)
    fees = DammV2Fees(limiter, DammCollectFeeMode.ONLY_B)
    pool = DammV2Pool(curve, fees, activation_point=NOW_S - 10)
    modelled = out_for_in(curve_of(pool, 1, NOW_S), float(amount))
    exact = _swap(pool, SwapMode.EXACT_IN, amount, 1)
    assert modelled is not None
    assert exact is not None
    assert exact <= modelled * (1 + MODEL_ERROR)
    assert exact == pytest.approx(modelled, rel=1e-7)


def test_pool_that_opens_at_a_slot_is_routed_from_that_slot_on() -> None:
    fees = DammV2Fees(BaseFee(2_500_000), DammCollectFeeMode.BOTH)
    state = DammV2Pool(
        CompoundingCurve(10**12, 10**12),
        fees,
        activation_point=400_000_000,
        activation_type=ActivationType.SLOT,
    )
    pool = RoutablePool("P", "Venue", ("A", "B"), state)
    order = SwapOrder(SwapMode.EXACT_IN, "A", "B", 10**6, leg_cost=0)
    with pytest.raises(InsufficientLiquidityError):
        best_plan(Market([pool], NOW_S, slot=399_999_999), order)
    assert best_plan(Market([pool], NOW_S, slot=400_000_000), order).amount_out == 997_499


def _assert_models_exactly(pool: Pool, token_in: TokenIndex) -> None:
    amount = 10**12
    modelled = out_for_in(curve_of(pool, token_in, NOW_S), float(amount))
    exact = _swap(pool, SwapMode.EXACT_IN, amount, token_in)
    assert modelled is not None
    assert exact is not None
    assert exact == pytest.approx(modelled, rel=1e-10)
    assert exact <= modelled * (1 + 1e-12)


def _swap(pool: Pool, mode: SwapMode, amount: int, token_in: TokenIndex) -> int | None:
    try:
        result, _ = swap(pool, Swap(EXACT[mode], amount, token_in, NOW_S))
    except SwapRefusedError:
        return None
    return result.amount_out if mode is SwapMode.EXACT_IN else result.amount_in


def _is_pooled(pool: Pool, token_in: TokenIndex) -> bool:
    """Return whether the curve is a hull above what the pool pays: a DLMM whose fee falls ahead."""
    if not isinstance(pool, DlmmPool):
        return False
    held = sum(1 for held in pool.bins if (held.amount_y if token_in == 0 else held.amount_x))
    return len(curve_of(pool, token_in, NOW_S)) < held
