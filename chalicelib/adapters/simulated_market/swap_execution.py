"""What a transaction does to the market: pure, all of it or nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from chalicelib.adapters.simulated_market.pool_rows import MarketPool
from chalicelib.adapters.simulated_market.transactions import Transaction
from chalicelib.amm import pools
from chalicelib.amm.swaps import U64_MAX, Refusal, Swap, SwapRefusedError, SwapResult, TokenIndex
from chalicelib.domain.errors import Code
from chalicelib.domain.prices import price_impact_bps
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import InstructedPath, LegFill, SwapInstruction
from chalicelib.routing.exactness import EXACT
from chalicelib.values import value

Bucket = Literal["tradable", "lp_fees", "protocol_fees", "fund_fees", "creator_fees"]
"""Where a pool keeps a token: what it trades with, and whom it owes the rest to."""

_REFUSALS = {
    Refusal.INSUFFICIENT_LIQUIDITY: Code.INSUFFICIENT_LIQUIDITY,
    # A threshold is at least 1, so paying out nothing breaks it.
    Refusal.ZERO_OUTPUT: Code.SLIPPAGE_EXCEEDED,
    Refusal.NOT_OPEN: Code.TRANSACTION_FAILED,
}


@value
class Landed:
    """A transaction in a block; ``error`` if it executed and was refused, so that nothing moved."""

    transaction: Transaction
    input_units: int = 0
    output_units: int = 0
    legs: tuple[LegFill, ...] = ()
    error: Code | None = None


@dataclass(slots=True)
class Books:
    """The part of the ledger that some transactions touch, and how they changed it.

    Attributes:
        balances: By (address, token); what is absent cannot be traded.
        vault_moves: Changes by (pool, token, bucket).
    """

    pools: dict[str, MarketPool]
    balances: dict[tuple[str, str], int]
    vault_moves: Counter[tuple[str, str, Bucket]] = field(default_factory=Counter)
    wallet_moves: Counter[tuple[str, str]] = field(default_factory=Counter)


class _TransactionRefusedError(Exception):
    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code = code


class _Leg(NamedTuple):
    pool_id: str
    token_in: str
    token_out: str


@dataclass(slots=True)
class _Draft:
    """The changes of one transaction, until it is known to succeed."""

    books: Mapping[str, MarketPool]
    now_s: int
    states: dict[str, pools.Pool] = field(default_factory=dict)
    fills: list[LegFill] = field(default_factory=list)
    vault_moves: list[tuple[str, str, Bucket, int]] = field(default_factory=list)


def execute(transaction: Transaction, books: Books, now_s: int) -> Landed:
    """Carry a transaction out on the books, or leave them as they are and say why."""
    instruction = transaction.message.instruction
    draft = _Draft(books.pools, now_s)
    try:
        input_units, output_units = _total(_run_path(path, instruction, draft) for path in instruction.paths)
        _check(instruction, input_units, output_units)
        _check_funds(transaction, books, input_units)
    except _TransactionRefusedError as refused:
        return Landed(transaction, error=refused.code)
    _book(transaction, books, draft, input_units, output_units)
    return Landed(transaction, input_units, output_units, tuple(draft.fills))


def _total(amounts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    total_in = total_out = 0
    for amount_in, amount_out in amounts:
        total_in += amount_in
        total_out += amount_out
    return total_in, total_out


def _check(instruction: SwapInstruction, input_units: int, output_units: int) -> None:
    if output_units == 0 or instruction.input_token == instruction.output_token:
        raise _TransactionRefusedError(Code.TRANSACTION_FAILED)
    if instruction.swap_mode is SwapMode.EXACT_IN:
        is_fair = output_units >= instruction.threshold_units
    else:
        is_fair = input_units <= instruction.threshold_units
    if not is_fair:
        raise _TransactionRefusedError(Code.SLIPPAGE_EXCEEDED)


def _check_funds(transaction: Transaction, books: Books, input_units: int) -> None:
    wallet, instruction = transaction.message.wallet, transaction.message.instruction
    if not books.balances.keys() >= {(wallet, instruction.input_token), (wallet, instruction.output_token)}:
        raise _TransactionRefusedError(Code.TRANSACTION_FAILED)
    if books.balances[wallet, instruction.input_token] < input_units:
        raise _TransactionRefusedError(Code.INSUFFICIENT_FUNDS)


def _run_path(path: InstructedPath, instruction: SwapInstruction, draft: _Draft) -> tuple[int, int]:
    """Return (amount in, amount out) of a path; exact out is worked backwards from its end."""
    ends = instruction.input_token, instruction.output_token
    if len(path.tokens) != len(path.hops) + 1 or (path.tokens[0], path.tokens[-1]) != ends:
        raise _TransactionRefusedError(Code.TRANSACTION_FAILED)
    steps = list(zip(path.tokens, path.tokens[1:], path.hops, strict=False))
    is_exact_in = instruction.swap_mode is SwapMode.EXACT_IN
    given = amount = 0
    for number, (token_in, token_out, legs) in enumerate(steps if is_exact_in else reversed(steps)):
        planned = [leg.planned_units for leg in legs]
        parts = _shared(amount, planned) if number else planned
        if number == 0:
            given = sum(planned)
        results = [
            _run_leg(_Leg(leg.pool_id, token_in, token_out), instruction.swap_mode, part, draft)
            for leg, part in zip(legs, parts, strict=True)
            if part
        ]
        amount = sum(result.amount_out if is_exact_in else result.amount_in for result in results)
    return (given, amount) if is_exact_in else (amount, given)


def _shared(total: int, planned: Sequence[int]) -> list[int]:
    """Share out in proportion to the plan, rounded down, the rest to the last (see ``InstructedPath``)."""
    if not planned or min(planned) <= 0:
        raise _TransactionRefusedError(Code.TRANSACTION_FAILED)
    parts = [total * units // sum(planned) for units in planned[:-1]]
    return [*parts, total - sum(parts)]


def _run_leg(leg: _Leg, mode: SwapMode, amount: int, draft: _Draft) -> SwapResult:
    pool = draft.books.get(leg.pool_id)
    if pool is None or {leg.token_in, leg.token_out} != set(pool.tokens) or not 0 < amount <= U64_MAX:
        raise _TransactionRefusedError(Code.TRANSACTION_FAILED)
    token_in: TokenIndex = 0 if leg.token_in == pool.tokens[0] else 1
    before = draft.states.get(leg.pool_id, pool.state)
    try:
        result, draft.states[leg.pool_id] = pools.swap(
            before, Swap(EXACT[mode], amount, token_in, draft.now_s)
        )
    except SwapRefusedError as refused:
        raise _TransactionRefusedError(_REFUSALS[refused.refusal]) from refused
    draft.vault_moves += _vault_moves(leg, pool, result)
    impact = price_impact_bps(pools.spot_price(before), token_in, result)
    draft.fills.append(_fill(leg, pool, result, impact))
    return result


def _vault_moves(leg: _Leg, pool: MarketPool, result: SwapResult) -> list[tuple[str, str, Bucket, int]]:
    """Return what one swap moves: what the trader gave and got, less what fees keep outside the curve."""
    pool_id = leg.pool_id
    fee_token, creator_token = pool.tokens[result.fee_token], pool.tokens[result.creator_fee_token]
    moves: list[tuple[str, str, Bucket, int]] = [
        (pool_id, leg.token_in, "tradable", result.amount_in),
        (pool_id, leg.token_out, "tradable", -result.amount_out),
    ]
    outside: tuple[tuple[str, Bucket, int], ...] = (
        (fee_token, "lp_fees", result.lp_fee_outside),
        (fee_token, "protocol_fees", result.protocol_fee),
        (fee_token, "fund_fees", result.fund_fee),
        (creator_token, "creator_fees", result.creator_fee),
    )
    for token, bucket, units in outside:
        if units:
            moves += ((pool_id, token, bucket, units), (pool_id, token, "tradable", -units))
    return moves


def _fill(leg: _Leg, pool: MarketPool, result: SwapResult, impact_bps: str) -> LegFill:
    # A creator fee in the other token has no place in a leg; the ledger's bucket has it all the same.
    creator_fee = result.creator_fee if result.creator_fee_token == result.fee_token else 0
    return LegFill(
        pool_id=leg.pool_id,
        venue=pool.venue,
        token_in=leg.token_in,
        token_out=leg.token_out,
        input_units=result.amount_in,
        output_units=result.amount_out,
        fee_units=result.trade_fee + creator_fee,
        fee_token=pool.tokens[result.fee_token],
        impact_bps=impact_bps,
    )


def _book(transaction: Transaction, books: Books, draft: _Draft, input_units: int, output_units: int) -> None:
    for pool_id, state in draft.states.items():
        pool = books.pools[pool_id]
        books.pools[pool_id] = MarketPool(pool_id, pool.venue, pool.tokens, state, pool.version)
    vaults = books.vault_moves
    for moved_pool, token, bucket, units in draft.vault_moves:
        place = moved_pool, token, bucket
        vaults[place] = vaults.get(place, 0) + units  # Counter's own += calls Python for a new place
    wallet, instruction = transaction.message.wallet, transaction.message.instruction
    for token, units in ((instruction.input_token, -input_units), (instruction.output_token, output_units)):
        books.balances[wallet, token] += units
        books.wallet_moves[wallet, token] += units
