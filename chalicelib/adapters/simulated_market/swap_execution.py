"""What a transaction does to the market: pure, all of it or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import Final

from chalicelib.adapters.simulated_market.foreseen import ForeseenSwaps
from chalicelib.adapters.simulated_market.pool_rows import MarketPool
from chalicelib.adapters.simulated_market.transactions import Transaction
from chalicelib.amm import pools
from chalicelib.amm.pools import Pool
from chalicelib.amm.swaps import U64_MAX, Refusal, Swap, SwapRefusedError, SwapResult, TokenIndex
from chalicelib.domain.errors import Code
from chalicelib.domain.prices import price_impact_bps
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import InstructedPath, LegFill, SwapInstruction
from chalicelib.routing.exactness import EXACT
from chalicelib.values import value

BUCKETS: Final = ("tradable", "lp_fees", "protocol_fees", "fund_fees", "creator_fees")
"""Where a pool keeps a token: what it trades with, and whom it owes the rest to."""

_VaultMove = tuple[tuple[str, str], list[int]]
"""By (pool, token), what each of the buckets gained."""

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
        pools: As they were before.
        balances: By (address, token); what is absent cannot be traded.
        foreseen: Swaps that need not be computed again.
        states: Of the pools that were traded with, as they are now.
        vault_moves: Changes by (pool, token), for each of ``BUCKETS``.
    """

    pools: Mapping[str, MarketPool]
    balances: dict[tuple[str, str], int]
    foreseen: ForeseenSwaps = field(default_factory=ForeseenSwaps, compare=False)
    states: dict[str, Pool] = field(default_factory=dict)
    vault_moves: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    wallet_moves: dict[tuple[str, str], int] = field(default_factory=dict)


class _TransactionRefusedError(Exception):
    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class _Draft:
    """The changes of one transaction, until it is known to succeed."""

    books: Books
    mode: SwapMode
    now_s: int
    states: dict[str, Pool]
    fills: list[LegFill]
    vault_moves: list[_VaultMove]


def execute(transaction: Transaction, books: Books, now_s: int) -> Landed:
    """Carry a transaction out on the books, or leave them as they are and say why."""
    instruction = transaction.message.instruction
    draft = _Draft(books, instruction.swap_mode, now_s, {}, [], [])
    input_units = output_units = 0
    try:
        for path in instruction.paths:
            taken, paid = _run_path(path, instruction, draft)
            input_units += taken
            output_units += paid
        _check(instruction, input_units, output_units)
        _check_funds(transaction, books, input_units)
    except _TransactionRefusedError as refused:
        return Landed(transaction, error=refused.code)
    _book(transaction, books, draft, input_units, output_units)
    return Landed(transaction, input_units, output_units, tuple(draft.fills))


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
    held = books.balances.get((wallet, instruction.input_token))
    if held is None or (wallet, instruction.output_token) not in books.balances:
        raise _TransactionRefusedError(Code.TRANSACTION_FAILED)
    if held < input_units:
        raise _TransactionRefusedError(Code.INSUFFICIENT_FUNDS)


def _run_path(path: InstructedPath, instruction: SwapInstruction, draft: _Draft) -> tuple[int, int]:
    """Return (amount in, amount out) of a path; exact out is worked backwards from its end."""
    ends = instruction.input_token, instruction.output_token
    if len(path.tokens) != len(path.hops) + 1 or (path.tokens[0], path.tokens[-1]) != ends:
        raise _TransactionRefusedError(Code.TRANSACTION_FAILED)
    is_exact_in = draft.mode is SwapMode.EXACT_IN
    places = range(len(path.hops))
    given: int | None = None
    amount = 0
    for place in places if is_exact_in else reversed(places):
        legs = path.hops[place]
        parts = [leg.planned_units for leg in legs]
        if given is None:
            given = sum(parts)
        else:
            parts = _shared(amount, parts)
        amount = 0
        for leg, part in zip(legs, parts, strict=True):
            if part:
                result = _run_leg(leg.pool_id, path.tokens[place], path.tokens[place + 1], part, draft)
                amount += result.amount_out if is_exact_in else result.amount_in
    return (given or 0, amount) if is_exact_in else (amount, given or 0)


def _shared(total: int, planned: Sequence[int]) -> list[int]:
    """Share out in proportion to the plan, rounded down, the rest to the last (see ``InstructedPath``)."""
    if not planned or min(planned) <= 0:
        raise _TransactionRefusedError(Code.TRANSACTION_FAILED)
    if len(planned) == 1:
        return [total]
    parts = [total * units // sum(planned) for units in planned[:-1]]
    return [*parts, total - sum(parts)]


def _run_leg(pool_id: str, token_in: str, token_out: str, amount: int, draft: _Draft) -> SwapResult:
    books = draft.books
    pool = books.pools.get(pool_id)
    if pool is None or not 0 < amount <= U64_MAX:
        raise _TransactionRefusedError(Code.TRANSACTION_FAILED)
    tokens = pool.tokens
    if tokens not in ((token_in, token_out), (token_out, token_in)):
        raise _TransactionRefusedError(Code.TRANSACTION_FAILED)
    side: TokenIndex = 0 if token_in == tokens[0] else 1
    before = draft.states.get(pool_id) or books.states.get(pool_id, pool.state)
    exact, now_s = EXACT[draft.mode], draft.now_s
    foreseen = books.foreseen.take(before, (exact, amount, side, now_s, 0))
    if foreseen is not None:
        _, _, result, after, impact_bps = foreseen
    else:
        try:
            result, after = pools.swap(before, Swap(exact, amount, side, now_s))
        except SwapRefusedError as refused:
            raise _TransactionRefusedError(_REFUSALS[refused.refusal]) from refused
        impact_bps = price_impact_bps(pools.spot_price(before), side, result)
    draft.states[pool_id] = after
    draft.vault_moves += _vault_moves(pool_id, token_in, token_out, tokens, result)
    # A creator fee in the other token has no place in a leg; the ledger's bucket has it all the same.
    creator_fee = result.creator_fee if result.creator_fee_token == result.fee_token else 0
    draft.fills.append(
        LegFill(
            pool_id,
            pool.venue,
            token_in,
            token_out,
            result.amount_in,
            result.amount_out,
            result.trade_fee + creator_fee,
            tokens[result.fee_token],
            impact_bps,
        )
    )
    return result


def _vault_moves(
    pool_id: str, token_in: str, token_out: str, tokens: tuple[str, str], result: SwapResult
) -> tuple[_VaultMove, _VaultMove]:
    """Return what one swap moves: what the trader gave and got, less what fees keep outside the curve."""
    came, went = [result.amount_in, 0, 0, 0, 0], [-result.amount_out, 0, 0, 0, 0]
    kept = came if tokens[result.fee_token] == token_in else went
    lp_fee, protocol_fee, fund_fee = result.lp_fee_outside, result.protocol_fee, result.fund_fee
    kept[0] -= lp_fee + protocol_fee + fund_fee
    kept[1:4] = lp_fee, protocol_fee, fund_fee
    if result.creator_fee:
        kept = came if tokens[result.creator_fee_token] == token_in else went
        kept[0] -= result.creator_fee
        kept[4] = result.creator_fee
    return ((pool_id, token_in), came), ((pool_id, token_out), went)


def _book(transaction: Transaction, books: Books, draft: _Draft, input_units: int, output_units: int) -> None:
    books.states |= draft.states
    vaults = books.vault_moves
    for place, moved in draft.vault_moves:
        so_far = vaults.get(place)
        vaults[place] = moved if so_far is None else list(map(add, so_far, moved))
    wallet, instruction = transaction.message.wallet, transaction.message.instruction
    for token, units in ((instruction.input_token, -input_units), (instruction.output_token, output_units)):
        holder = wallet, token
        books.balances[holder] += units
        books.wallet_moves[holder] = books.wallet_moves.get(holder, 0) + units
