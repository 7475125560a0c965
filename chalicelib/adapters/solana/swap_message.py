"""The message of a swap: budget, accounts, the swaps themselves, and what is put away after them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from chalicelib.adapters.solana.fixed_amounts import FixedPlan, FixedSwap
from chalicelib.adapters.solana.holdings import Holdings, Opened, SolIn
from chalicelib.adapters.solana.instructions import (
    Instruction,
    close_token_account,
    compute_unit_limit,
    compute_unit_price,
    create_token_account,
    memo,
    sync_native,
    transfer_lamports,
)
from chalicelib.adapters.solana.keys import KEY_BYTES, Pubkey
from chalicelib.adapters.solana.messages import CompiledMessage, V1Config, fits, v0_message, v1_message
from chalicelib.adapters.solana.meteora_damm_v2 import DammV2Accounts
from chalicelib.adapters.solana.meteora_dlmm import DlmmAccounts
from chalicelib.adapters.solana.programs import WRAPPED_SOL
from chalicelib.adapters.solana.raydium_clmm import ClmmAccounts
from chalicelib.adapters.solana.raydium_cpmm import CpmmAccounts
from chalicelib.adapters.solana.swap_terms import SwapTerms
from chalicelib.adapters.solana.tokens import Mint
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.domain.errors import Code, PlanOutdatedError, RefusedError
from chalicelib.domain.swap_mode import SwapMode

UNITS_MAX: Final = 1_400_000
"""Compute units of a transaction, as the chain limits them."""

LOADED_DATA_BYTES_MAX: Final = 64 * 1024 * 1024
FEE_PER_SIGNATURE_LAMPORTS: Final = 5_000
_MICRO: Final = 1_000_000
# Measured with the programs' own bytecode over 1,750 swaps each and more: the most, with room.
_UNITS: Final = {CpmmAccounts: 60_000, ClmmAccounts: 250_000, DlmmAccounts: 600_000, DammV2Accounts: 60_000}
_UNITS_PER_ACCOUNT: Final = 25_000
_UNITS_BESIDE: Final = 10_000
_SWAPS_THAT_FIT: Final = 4
"""Of whatever kinds: 64 addresses hold them."""

_MARGIN: Final = (115, 100)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a transaction may cost beside the fee per signature.

    Attributes:
        price: Micro-lamports per compute unit of the limit.
        fee_lamports_max: However dear the unit, no transaction pays more priority fee than this.
    """

    price: int = 0
    fee_lamports_max: int = 1_000_000

    def price_for(self, units: int) -> int:
        """Return the price per unit for a limit, so that the whole stays within the cap."""
        return min(self.price, self.fee_lamports_max * _MICRO // units)


class SwapContents(NamedTuple):
    """What a transaction does, apart from its budget.

    Attributes:
        units: Compute units that it certainly gets by with.
    """

    instructions: tuple[Instruction, ...]
    units: int


def mark_of(order_id: UUID, attempt: int) -> str:
    """Return the memo of an attempt: on chain, to be compared with the record."""
    return f"{order_id.hex}/{attempt}"


def mints_of(plan: FixedPlan) -> dict[str, Mint]:
    """Return the mint of each token that a plan touches, by symbol."""
    return {
        symbol: mint
        for swap in plan.swaps
        for symbol, mint in zip(swap.pool.tokens, swap.pool.on_chain.mints, strict=True)
    }


def opened_by(
    plan: FixedPlan,
    wallet: TradingWallet,
    holdings: Holdings,
    *,
    tokens: tuple[str, str],
    is_repeated: bool = False,
) -> tuple[Opened, ...]:
    """Return the token accounts that a plan's transaction makes.

    Args:
        tokens: As of ``contents``, as is ``is_repeated``.
    """
    return tuple(_Contents(plan, wallet, holdings, tokens, is_repeated=is_repeated).opened())


def contents(
    plan: FixedPlan,
    wallet: TradingWallet,
    holdings: Holdings,
    *,
    tokens: tuple[str, str],
    sol_in: SolIn | None,
    mark: str,
    is_repeated: bool = False,
) -> SwapContents:
    """Return the instructions of a swap.

    Args:
        tokens: Symbols of the order's input and output.
        sol_in: See ``holdings.funded``.
        mark: Which attempt of which order this is (``mark_of``). Without it two orders with the same terms
            and block hash would be the same bytes, and one transaction.
        is_repeated: An attempt before this one came to nothing, so this one closes no account that may refuse
            it: a stranger, or another order of the wallet, may have sent something there since it was looked
            at, and a transaction fails as a whole.

    Raises:
        RefusedError: An account is frozen that the swap pays into.
        PlanOutdatedError: That account is the desk's own. Or a delegate would be left with tokens of the
            owner's: no such plan is made (``room_of``), but a pool may have changed since.
    """
    if wallet.is_delegated and plan.left_between:
        raise PlanOutdatedError(
            f"something of {', '.join(sorted(plan.left_between))} would stay with the desk"
        )
    made = _Contents(plan, wallet, holdings, tokens, is_repeated=is_repeated)
    made.check_not_frozen()
    instructions = [
        *made.accounts(sol_in),
        *(swap.pool.on_chain.swap(made.terms(swap)) for swap in plan.swaps),
        *made.put_away(),
        memo(mark, wallet.authority),
    ]
    return SwapContents(tuple(instructions), units_of(plan, instructions))


def has_room(plan: FixedPlan, wallet: TradingWallet, tokens: tuple[str, str]) -> bool:
    """Return whether a plan fits into one transaction, with all that may surround it."""
    if len(plan.swaps) <= _SWAPS_THAT_FIT:
        return True
    made = contents(
        plan._replace(left_between=frozenset()),
        wallet,
        Holdings(0, {}),
        tokens=tokens,
        sol_in=SolIn(1),
        mark=mark_of(UUID(int=0), 0),
    )
    try:
        compiled(wallet, made, bytes(KEY_BYTES), Budget())
    except RefusedError:
        return False
    return True


def units_of(plan: FixedPlan, instructions: Sequence[Instruction]) -> int:
    """Return compute units that suffice for each kind of pool, and for the accounts beside the swaps."""
    swaps = sum(_UNITS[type(swap.pool.on_chain)] for swap in plan.swaps)
    others = (len(instructions) - len(plan.swaps)) * _UNITS_PER_ACCOUNT
    return min(UNITS_MAX, swaps + others + _UNITS_BESIDE)


def units_after(simulated: int) -> int:
    """Return the limit for what a simulation consumed: a pool may cross a bin more by then."""
    factor, of = _MARGIN
    return min(UNITS_MAX, -(-simulated * factor // of))


def compiled(
    wallet: TradingWallet, made: SwapContents, blockhash: bytes, budget: Budget, units: int | None = None
) -> CompiledMessage:
    """Return the message: version 0 while it is short enough, else version 1.

    Raises:
        RefusedError: Not even version 1 can carry so many swaps.
    """
    limit = made.units if units is None else units
    price = budget.price_for(limit)
    head = [compute_unit_limit(limit), *([compute_unit_price(price)] if price else [])]
    message = v0_message(wallet.authority, [*head, *made.instructions], blockhash)
    if fits(message):
        return message
    config = V1Config(limit, LOADED_DATA_BYTES_MAX, priority_fee(limit, price))
    try:
        message = v1_message(wallet.authority, made.instructions, blockhash, config)
    except ValueError as error:
        raise RefusedError(
            Code.NO_ROUTE, f"the plan has too many legs for one transaction: {error}"
        ) from error
    if not fits(message):
        raise RefusedError(Code.NO_ROUTE, "the plan has too many legs for one transaction")
    return message


def priority_fee(units: int, price: int) -> int:
    """Return what a limit of units costs at a price per unit, in lamports, rounded up as the chain does."""
    return -(-units * price // _MICRO)


class _Contents:
    def __init__(
        self,
        plan: FixedPlan,
        wallet: TradingWallet,
        holdings: Holdings,
        tokens: tuple[str, str],
        *,
        is_repeated: bool,
    ) -> None:
        self._wallet, self._holdings = wallet, holdings
        self._input, self._output = tokens
        self._mints = mints_of(plan)
        self._between = sorted(self._mints.keys() - set(tokens))
        stay = {symbol for symbol in self._between if is_repeated or self._mints[symbol].withholds}
        self._left = plan.left_between | stay

    def check_not_frozen(self) -> None:
        """Raise if a mint's authority has frozen an account that the swap moves something through."""
        for symbol in self._mints:
            account = self._holdings.accounts.get(self._place(symbol))
            if account is not None and account.is_frozen:
                if self._wallet.is_delegated and symbol in self._between:
                    # The desk's own, of which no owner's order ends.
                    raise PlanOutdatedError(f"the desk's account of {symbol} is frozen")
                raise RefusedError(Code.INSUFFICIENT_FUNDS, f"the account of {symbol} is frozen")

    def terms(self, swap: FixedSwap) -> SwapTerms:
        given, got = swap.tokens
        return SwapTerms(
            self._wallet.authority,
            self._place(given),
            self._place(got),
            swap.token_in,
            SwapMode(swap.mode),
            swap.amount,
            swap.threshold,
        )

    def accounts(self, sol_in: SolIn | None) -> Iterator[Instruction]:
        payer, owner = self._wallet
        if sol_in is not None:
            account = self._place(self._input)
            yield self._created(owner, self._input)
            if sol_in.wrapped_lamports:
                yield transfer_lamports(owner, account, sol_in.wrapped_lamports)
                yield sync_native(account)
        for symbol in self._between:
            yield self._created(payer, symbol)
        yield self._created(owner, self._output)

    def opened(self) -> Iterator[Opened]:
        """Yield what is not there yet, those first that lie between two hops."""
        for symbol in (*self._between, self._input, self._output):
            mint, place = self._mints[symbol], self._place(symbol)
            is_sol = mint.key == WRAPPED_SOL and not self._wallet.is_delegated
            if self._holdings.has(place) or (symbol == self._input and not is_sol):
                continue  # input that is not wrapped here is there, or there is no transaction
            if symbol in self._between:
                # Another order's leftovers may arrive meanwhile in what was there before.
                yield Opened(place, mint, stays=symbol in self._left)
            else:
                yield Opened(place, mint, stays=not is_sol)

    def put_away(self) -> Iterator[Instruction]:
        """Close what was opened for this transaction alone, and can only be empty or hold SOL."""
        payer = self._wallet.authority
        for one in self.opened():
            if not one.stays:
                yield close_token_account(one.place, payer, payer, one.mint.program)

    def _created(self, owner: Pubkey, symbol: str) -> Instruction:
        mint = self._mints[symbol]
        return create_token_account(self._wallet.authority, owner, mint.key, mint.program)

    def _place(self, symbol: str) -> Pubkey:
        mint = self._mints[symbol]
        if symbol in {self._input, self._output}:
            return self._wallet.account(mint.key, mint.program)
        return self._wallet.between(mint.key, mint.program)
