"""A chain that drops, delays and refuses transactions, asked through nodes that lag behind.

Its one law is a real ledger's: a signature executes at most once, and never after its validity.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from chalicelib.adapters import base58
from chalicelib.amm.pools import swap
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.amm.swaps import Swap, SwapRefusedError, TokenIndex
from chalicelib.domain.errors import Code, RetryableError, VenueUnavailableError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import (
    ChainView,
    LegFill,
    SignatureStatus,
    SignedTransaction,
    SwapInstruction,
    TransactionStatus,
)
from chalicelib.routing.exactness import EXACT
from chalicelib.routing.firm_quotes import WantedSwap
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.ports import Offers
from tests.simulation.world import World

BLOCK_S: Final = 0.4
FIRST_HEIGHT: Final = 1_000
VALIDITY_BLOCKS: Final = 150
LAST_BLOCKS: Final = (0, 0, 1, 2)
SLOPPY_BLOCKS_MAX: Final = 2
"""A node may state a height that is ahead of the statuses beside it by so many blocks."""


REFUSALS: Final = (
    (Code.SLIPPAGE_EXCEEDED, False),
    (Code.SLIPPAGE_EXCEEDED, True),
    (Code.INSUFFICIENT_FUNDS, False),
)
"""What a chain refuses for no reason that can be seen, and whether it is one leg alone."""

POOL: Final = CpmmPool(10**15, 2 * 10**14, CpmmFees(2_500, 120_000, 40_000))
"""Of SOL and USDC; each venue has one such, at first."""
VENUES: Final = ("raydium", "meteora")

PoolAt = Callable[[int], CpmmPool | None]
"""The pool that each venue has in a block; None if it cannot be seen."""


def never_moves(_: int) -> CpmmPool | None:
    """Return the pool of a market in which nothing happens."""
    return POOL


Opened = Callable[[int], Sequence[RoutablePool]]
"""The pools that have opened by a block, beside those that each venue has from the beginning."""


def nothing_opens(_: int) -> Sequence[RoutablePool]:
    """Return the new pools of a market that has none."""
    return ()


def height_at(time_s: float) -> int:
    """Return the block that a moment lies in."""
    return FIRST_HEIGHT + int(time_s / BLOCK_S)


@dataclass(frozen=True, slots=True)
class Landed:
    """An executed transaction."""

    instruction: SwapInstruction
    height: int
    status: TransactionStatus


class SimulatedChain:
    """The port ``Chain``, and the ledger that the audit reads."""

    def __init__(self, world: World, pool_at: PoolAt = never_moves, opened: Opened = nothing_opens) -> None:
        self._world = world
        self._pool_at = pool_at
        self._opened = opened
        self._signed: dict[str, tuple[SignedTransaction, SwapInstruction]] = {}
        self._blocks_to_spare: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self.landed: dict[str, Landed] = {}

    @property
    def height(self) -> int:
        return height_at(self._world.scheduler.now_s)

    def number(self, signature: str) -> int:
        """Return how many had been signed before: signatures come from ids, which no seed gives."""
        return self._numbers[signature]

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        node_height = self.height - self._lag()
        return [self._sign(instruction, node_height) for instruction in instructions]

    def send(self, transactions: Sequence[SignedTransaction]) -> None:
        for transaction in transactions:
            if self._world.happens(self._world.weather.drop):
                self._world.note("chain", f"lost: {_named(self._signed[transaction.signature][1])}")
                continue
            blocks = self._blocks_until_landing(transaction)
            self._world.scheduler.after(blocks * BLOCK_S, partial(self._land, transaction.signature))

    def view(self, signatures: Sequence[str]) -> ChainView:
        known_to = self.height - self._lag()
        stated = min(
            known_to + self._world.dice.choice((0, SLOPPY_BLOCKS_MAX, SLOPPY_BLOCKS_MAX)), self.height
        )
        return ChainView(stated, {each: self._status(each, known_to) for each in signatures})

    def surely_dead(
        self, transactions: Sequence[SignedTransaction], *, margin_blocks: int
    ) -> Collection[str]:
        view = self.view([each.signature for each in transactions])
        return view.dead(transactions, margin_blocks=margin_blocks)

    def _sign(self, instruction: SwapInstruction, node_height: int) -> SignedTransaction:
        last_valid = node_height + VALIDITY_BLOCKS
        payload = f"{instruction.order_id}:{instruction.attempt}:{instruction.paths}:{last_valid}".encode()
        transaction = SignedTransaction(base58.encode(hashlib.sha512(payload).digest()), payload, last_valid)
        self._signed[transaction.signature] = (transaction, instruction)
        self._numbers.setdefault(transaction.signature, len(self._numbers))
        self._blocks_to_spare[transaction.signature] = self._world.dice.choice(LAST_BLOCKS)
        return transaction

    def _blocks_until_landing(self, transaction: SignedTransaction) -> float:
        if self._world.happens(self._world.weather.land_last):
            return transaction.last_valid_height - self.height - self._blocks_to_spare[transaction.signature]
        return self._world.dice.random() * self._world.weather.land_blocks_max

    def _land(self, signature: str) -> None:
        transaction, instruction = self._signed[signature]
        if signature in self.landed or self.height > transaction.last_valid_height:
            return
        if self._world.happens(self._world.weather.refuse):
            code, is_of_a_leg = self._world.dice.choice(REFUSALS)
            status = TransactionStatus(
                SignatureStatus.REFUSED, slot=self.height, refusal=code, is_leg_refusal=is_of_a_leg
            )
        else:
            # What cannot be seen is there all the same: the ledger knows its pools.
            pool = self._pool_at(self.height) or POOL
            pools = [RoutablePool(f"{venue}-pool", venue, ("SOL", "USDC"), pool) for venue in VENUES]
            status = _executed(instruction, self.height, [*pools, *self._opened(self.height)])
        self._world.note(
            "chain", f"{status.signature_status}: {_named(instruction)}, at height {self.height}"
        )
        self.landed[signature] = Landed(instruction, self.height, status)

    def _status(self, signature: str, known_to: int) -> TransactionStatus:
        landed = self.landed.get(signature)
        if landed is None or landed.height > known_to:
            return TransactionStatus(SignatureStatus.UNKNOWN)
        return landed.status

    def _lag(self) -> int:
        highest = self._world.weather.view_lag_blocks_max
        return self._world.dice.randint(0, highest) if self._world.is_stormy else 0


def _named(instruction: SwapInstruction) -> str:
    return f"attempt {instruction.attempt} of {instruction.order_id}"


def _executed(instruction: SwapInstruction, height: int, market: Sequence[RoutablePool]) -> TransactionStatus:
    """Return what becomes of an instruction that lands: what is planned at the pools' price by then,
    unless its bound is broken or it names what is not here.
    """
    legs = [leg for path in instruction.paths for hop in path.hops for leg in hop]
    pools = {pool.pool_id: pool for pool in market}
    if {leg.pool_id for leg in legs} - pools.keys():
        return TransactionStatus(SignatureStatus.REFUSED, slot=height, refusal=Code.TRANSACTION_FAILED)
    try:
        fills = tuple(_fill(instruction, pools[leg.pool_id], leg.planned_units) for leg in legs)
    except SwapRefusedError:
        return TransactionStatus(SignatureStatus.REFUSED, slot=height, refusal=Code.INSUFFICIENT_LIQUIDITY)
    given, got = sum(fill.input_units for fill in fills), sum(fill.output_units for fill in fills)
    is_exact_in = instruction.swap_mode is SwapMode.EXACT_IN
    if (got < instruction.threshold_units) if is_exact_in else (given > instruction.threshold_units):
        return TransactionStatus(SignatureStatus.REFUSED, slot=height, refusal=Code.SLIPPAGE_EXCEEDED)
    return TransactionStatus(SignatureStatus.LANDED, height, given, got, fills)


def _fill(instruction: SwapInstruction, pool: RoutablePool, units: int) -> LegFill:
    token_in: TokenIndex = 0 if instruction.input_token == pool.tokens[0] else 1
    result, _ = swap(pool.state, Swap(EXACT[instruction.swap_mode], units, token_in))
    return LegFill(
        pool.pool_id,
        pool.venue,
        instruction.input_token,
        instruction.output_token,
        result.amount_in,
        result.amount_out,
        result.trade_fee,
        pool.tokens[result.fee_token],
    )


class SimulatedVenue:
    """The port ``Venue``: one pool; what is simulated here is silence."""

    def __init__(
        self, name: str, world: World, pool_at: PoolAt = never_moves, opened: Opened = nothing_opens
    ) -> None:
        self.name = name
        self._world = world
        self._pool_at = pool_at
        self._opened = opened

    def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
        del wanted
        try:
            return self._world.call("venue", self.name, self._offers)
        except RetryableError as error:
            raise VenueUnavailableError(error.message) from error

    def _offers(self) -> Offers:
        height = height_at(self._world.scheduler.now_s)
        pool = self._pool_at(height)
        if pool is None:
            raise VenueUnavailableError("the venue cannot be seen")
        new = [each for each in self._opened(height) if each.venue == self.name]
        return Offers([RoutablePool(f"{self.name}-pool", self.name, ("SOL", "USDC"), pool), *new])
