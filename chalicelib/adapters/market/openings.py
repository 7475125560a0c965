"""A pool's opening state, from its description: decimals in, integers out, the same each time."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Final

from chalicelib.adapters.market.definition import PoolDefinition
from chalicelib.amm.pools import Pool
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool

_PRECISION: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)

_PPM_PER_BPS: Final = 100
# Of the trade fee, as in Raydium's default config (raydium-docs-v1@127e3ac, products/cpmm/fees.mdx).
_RAYDIUM_PROTOCOL_PPM: Final = 120_000
_RAYDIUM_FUND_PPM: Final = 40_000


def opening_state(pool: PoolDefinition) -> Pool:
    """Return the state that a pool opens with.

    Raises:
        ValueError: There is no such kind.
    """
    with localcontext(_PRECISION):
        match pool.kind:
            case "cpmm":
                return _cpmm(pool)
            case _:
                raise ValueError(f"{pool.pool_id}: there is no kind {pool.kind!r}")


def _cpmm(pool: PoolDefinition) -> CpmmPool:
    base_units, quote_units = _sides(pool)
    fees = CpmmFees(_ppm(pool.fee_bps), _RAYDIUM_PROTOCOL_PPM, _RAYDIUM_FUND_PPM)
    return CpmmPool(base_units, quote_units, fees)


def _sides(pool: PoolDefinition) -> tuple[int, int]:
    """Return what each side holds, in base units, rounded down."""
    return (
        int((pool.depth / pool.price).scaleb(pool.base.scale)),
        int(pool.depth.scaleb(pool.quote.scale)),
    )


def _ppm(bps: Decimal) -> int:
    return int(bps * _PPM_PER_BPS)
