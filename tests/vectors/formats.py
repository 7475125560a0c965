"""How each pool kind is written in a vector file: JSON to states and requests, results to JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from chalicelib.amm.damm_v2_curve import ConcentratedCurve
from chalicelib.amm.damm_v2_fee import (
    BaseFee,
    DammCollectFeeMode,
    DammV2Fees,
    DynamicFee,
    DynamicFeeParameters,
)
from chalicelib.amm.dlmm_fee import DlmmCollectFeeMode, DlmmParameters, DlmmVolatility
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool
from chalicelib.amm.pools import Pool
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool, CreatorFeeOn
from chalicelib.amm.swaps import Exact, Swap, SwapResult, TokenIndex

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """A pool kind's reading and writing; each raises KeyError, TypeError or ValueError on other input."""

    pool: Callable[[Json, Swap], Pool]
    tokens: tuple[int | str, int | str]
    expected: Callable[[Swap, SwapResult, Pool], dict[str, Any]]

    def request(self, swap: Json) -> Swap:
        token_in = cast("TokenIndex", self.tokens.index(swap["token_in"]))
        timestamp_s = _integer(swap, "timestamp") if "timestamp" in swap else 0
        return Swap(Exact(swap["mode"]), _integer(swap, "amount"), token_in, timestamp_s)


def _integer(record: Json, name: str) -> int:
    value = record[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    return value


def _integers(record: Json, *names: str) -> dict[str, int]:
    return {name: _integer(record, name) for name in names}


def _cpmm_pool(pool: Json, request: Swap) -> CpmmPool:
    # The files say which side of the swap pays the creator; a pool knows tokens instead.
    on_output = CreatorFeeOn.ONLY_1 if request.token_in == 0 else CreatorFeeOn.ONLY_0
    creator_fee_on = {"input": CreatorFeeOn.BOTH, "output": on_output}[pool["creator_fee_on"]]
    rates = _integers(pool, "trade_fee_rate", "protocol_fee_rate", "fund_fee_rate", "creator_fee_rate")
    fees = CpmmFees(**rates, creator_fee_on=creator_fee_on)
    return CpmmPool(_integer(pool, "reserve_0"), _integer(pool, "reserve_1"), fees)


def _cpmm_expected(_request: Swap, result: SwapResult, _after: Pool) -> dict[str, Any]:
    names = ("amount_in", "amount_out", "trade_fee", "protocol_fee", "fund_fee", "creator_fee")
    return {name: getattr(result, name) for name in names}


_DLMM_PARAMETERS: Final = (
    "bin_step",
    "base_factor",
    "base_fee_power_factor",
    "filter_period",
    "decay_period",
    "reduction_factor",
    "variable_fee_control",
    "max_volatility_accumulator",
    "protocol_share_bps",
)
_DLMM_VOLATILITY: Final = (
    "volatility_accumulator",
    "volatility_reference",
    "index_reference",
    "last_update_timestamp",
)


def _dlmm_pool(pool: Json, _request: Swap) -> DlmmPool:
    collect_fee_mode = DlmmCollectFeeMode(pool["collect_fee_mode"])
    bins = tuple(Bin(*(_integer({"bin": part}, "bin") for part in parts)) for parts in pool["bins"])
    if [held.bin_id for held in bins] != sorted({held.bin_id for held in bins}):
        raise ValueError("bins must be in ascending order of id")
    return DlmmPool(
        DlmmParameters(**_integers(pool, *_DLMM_PARAMETERS), collect_fee_mode=collect_fee_mode),
        _integer(pool, "active_id"),
        bins,
        DlmmVolatility(**_integers(pool, *_DLMM_VOLATILITY)),
    )


def _dlmm_expected(request: Swap, result: SwapResult, after: Pool) -> dict[str, Any]:
    assert isinstance(after, DlmmPool)
    is_fee_on_output = result.fee_token != request.token_in
    return {
        "amount_in": result.amount_in,
        "amount_out": result.amount_out,
        "fee": result.trade_fee,
        # The program adds the dust to the protocol's part where both are in one token.
        "protocol_fee": result.protocol_fee + (result.dust_out if is_fee_on_output else 0),
        "pool": {
            "active_id": after.active_id,
            **{name: getattr(after.volatility, name) for name in _DLMM_VOLATILITY},
            "bins": [list(held) for held in after.bins],
        },
    }


_DYNAMIC_PARAMETERS: Final = (
    "bin_step",
    "bin_step_q64",
    "variable_fee_control",
    "max_volatility_accumulator",
    "filter_period",
    "decay_period",
    "reduction_factor",
)
_DYNAMIC_STATE: Final = (
    "volatility_accumulator",
    "volatility_reference",
    "sqrt_price_reference",
    "last_update_timestamp",
)


def _damm_v2_pool(pool: Json, _request: Swap) -> DammV2Pool:
    curve = _integers(pool, "sqrt_price", "liquidity", "sqrt_min_price", "sqrt_max_price")
    rates = _integers(pool, "protocol_fee_percent", "max_fee_numerator")
    base = BaseFee(_integer(pool, "fee_numerator"))
    dynamic = pool["dynamic_fee"]
    return DammV2Pool(
        ConcentratedCurve(**curve),
        DammV2Fees(base=base, collect_fee_mode=DammCollectFeeMode(pool["collect_fee_mode"]), **rates),
        None
        if dynamic is None
        else DynamicFee(
            DynamicFeeParameters(**_integers(dynamic, *_DYNAMIC_PARAMETERS)),
            **_integers(dynamic, *_DYNAMIC_STATE),
        ),
    )


def _damm_v2_expected(_request: Swap, result: SwapResult, after: Pool) -> dict[str, Any]:
    assert isinstance(after, DammV2Pool)
    dynamic = after.dynamic_fee
    return {
        "amount_in": result.amount_in,
        "amount_out": result.amount_out,
        "fee": result.trade_fee,
        "protocol_fee": result.protocol_fee,
        "sqrt_price": after.curve.sqrt_price,
        "dynamic_fee": dynamic and {name: getattr(dynamic, name) for name in _DYNAMIC_STATE},
    }


FORMATS: Final[Mapping[str, Format]] = {
    "raydium_cpmm": Format(_cpmm_pool, (0, 1), _cpmm_expected),
    "meteora_dlmm": Format(_dlmm_pool, ("x", "y"), _dlmm_expected),
    "meteora_damm_v2": Format(_damm_v2_pool, ("a", "b"), _damm_v2_expected),
}
