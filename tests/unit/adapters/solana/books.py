"""Books of pools from the vectors, with tokens of the test's choice."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final
from uuid import UUID

from chalicelib.adapters.solana.book import Book, BookPool
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.holdings import Holdings
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.pool_reading import OnChainPool, tradable
from chalicelib.adapters.solana.programs import TOKEN, SwapProgram
from chalicelib.adapters.solana.tokens import Mint, TokenAccount
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.amm.pools import Pool, swap
from chalicelib.amm.raydium_cpmm import CpmmPool
from chalicelib.amm.swaps import Exact, Swap, SwapRefusedError, TokenIndex
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import InstructedLeg, InstructedPath, SwapInstruction
from tests.unit.adapters.solana.examples import a_pool, all_cases
from tests.vectors.onchain import TOKENS

CLOCK: Final = ClockSysvar(slot=2**40, epoch=800, unix_timestamp=2**32)
AMOUNT: Final = 1_000_003
BLOCKHASH: Final = bytes(range(32))


def a_key(number: int) -> Pubkey:
    return Pubkey(number.to_bytes(32, "big"))


def a_mint(number: int, program: Pubkey = TOKEN) -> Mint:
    return Mint(a_key(1_000 + number), program, 6, 0)


def wallet_alone(number: int = 7) -> TradingWallet:
    return TradingWallet(a_key(number), a_key(number))


def a_book_pool(
    program: SwapProgram, pool_id: str, tokens: tuple[str, str], mints: tuple[Mint, Mint]
) -> BookPool:
    """A vector's pool that fills a swap of ``AMOUNT`` either way, as if it traded other tokens."""
    on_chain: OnChainPool = replace(
        _a_deep_pool(program), mints=mints, key=Pubkey(pool_id.encode().rjust(32))
    )
    return BookPool(pool_id, "venue", tokens, on_chain, tradable(on_chain, CLOCK.epoch))


@lru_cache(maxsize=8)
def _a_deep_pool(program: SwapProgram) -> OnChainPool:
    for case in all_cases(program):
        if case.kind != "normal" or case.error is not None:
            continue
        pool = a_pool(case)
        if isinstance(pool.state, CpmmPool):
            pool = replace(pool, state=replace(pool.state, reserve_0=10**13, reserve_1=2 * 10**13))
        if all(_fills(pool.state, token_in) for token_in in TOKENS):
            return pool
    raise LookupError(program)


def _fills(pool: Pool, token_in: TokenIndex) -> bool:
    try:
        return all(
            swap(pool, Swap(mode, AMOUNT, token_in, CLOCK.unix_timestamp, CLOCK.slot))[0].amount_out > 1_000
            for mode in Exact
        )
    except SwapRefusedError:
        return False


def a_book(*pools: BookPool) -> Book:
    return Book(CLOCK, {pool.pool_id: pool for pool in pools}, {})


def an_instruction(
    *paths: tuple[tuple[str, ...], Sequence[Sequence[tuple[str, int]]]],
    mode: Exact = Exact.IN,
    threshold: int,
    account_id: str = "acc",
) -> SwapInstruction:
    made = tuple(
        InstructedPath(tokens, tuple(tuple(InstructedLeg(*leg) for leg in hop) for hop in hops))
        for tokens, hops in paths
    )
    return SwapInstruction(
        account_id, UUID(int=1), 1, SwapMode(mode), paths[0][0][0], paths[0][0][-1], made, threshold
    )


def holdings(
    wallet: TradingWallet,
    *held: tuple[Mint, int],
    lamports: int = 10**10,
    delegate: tuple[Pubkey, int] | None = None,
) -> Holdings:
    return Holdings(
        lamports,
        {
            wallet.account(mint.key, mint.program): TokenAccount(
                mint.key,
                wallet.owner,
                units,
                False,
                delegate and delegate[0],
                delegate[1] if delegate else 0,
            )
            for mint, units in held
        },
    )
