"""What a new chain has: the tokens and pools of the market's definition, on chain, and wallets with money."""

import hashlib
from dataclasses import replace
from typing import Any, Final

from solders.keypair import Keypair

from chalicelib.adapters.simulated_market.definition import PoolDefinition, load_market
from chalicelib.adapters.simulated_market.openings import opening_state
from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import NO_KEY, Pubkey, address_of, pubkey
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.programs import TOKEN, WRAPPED_SOL
from chalicelib.amm import pools
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.raydium_cpmm import CpmmPool
from infra.chain.chain import Chain
from infra.chain.encoding import mint_account, token_account
from infra.chain.pool_accounts import (
    PoolAccounts,
    Side,
    clmm_accounts,
    cpmm_accounts,
    damm_v2_accounts,
    dlmm_accounts,
)

WALLETS: Final = 3
WALLET_LAMPORTS: Final = 10_000 * 10**9
ORDERS_PER_WALLET: Final = 4
"""A funded wallet can send so many of the largest orders of each token."""

ISSUED: Final = 2**63
"""Units that each mint counts as issued: more than all vaults and wallets together."""


def wallet(number: int) -> Keypair:
    """Return a wallet that every seeded chain funds. Its key is public."""
    return Keypair.from_seed(hashlib.sha256(f"orderflow local chain: wallet {number}".encode()).digest())


MINT_AUTHORITY: Final = hashlib.sha256(b"orderflow local chain: mint authority").digest()
"""The seed of the key that may issue every token but wrapped SOL."""


def seed_chain(chain: Chain, funded: list[str]) -> None:
    """Make tokens, pools and wallets, unless the chain has them; fund the wallets named besides.

    Raises:
        ValueError: An address is none.
    """
    if chain.fact("pools") is None:
        accounts: dict[Pubkey, Account] = {}
        tokens = _tokens(accounts)
        listed = _pools(accounts)
        chain.put(accounts)
        chain.note("tokens", tokens)
        for number in range(WALLETS):
            fund(chain, Pubkey(bytes(wallet(number).pubkey())))
        chain.note("pools", listed)  # last: what was begun and not finished is made again
    for address in funded:
        fund(chain, pubkey(address))


def fund(chain: Chain, owner: Pubkey) -> None:
    """Give a wallet lamports and some of every token, on its associated token accounts.

    Nothing is taken away.
    """
    held = chain.account(owner)
    accounts: dict[Pubkey, Account | None] = {}
    if held is None or held.lamports < WALLET_LAMPORTS:
        accounts[owner] = Account(NO_KEY, WALLET_LAMPORTS, b"")
    for token in load_market().tokens:
        mint = pubkey(token.mint)
        key = associated_token_account(owner, mint, TOKEN)
        if chain.account(key) is None:
            accounts[key] = token_account(mint, owner, token.max_order_units * ORDERS_PER_WALLET)
    chain.put(accounts)


def _tokens(accounts: dict[Pubkey, Account]) -> list[dict[str, Any]]:
    authority = Pubkey(bytes(Keypair.from_seed(MINT_AUTHORITY).pubkey()))
    listed = []
    for token in load_market().tokens:
        mint = pubkey(token.mint)
        is_native = mint == WRAPPED_SOL
        accounts[mint] = mint_account(
            None if is_native else authority, token.scale, 0 if is_native else ISSUED
        )
        listed.append({"symbol": token.symbol, "mint": token.mint, "decimals": token.scale})
    return listed


def _pools(accounts: dict[Pubkey, Account]) -> list[dict[str, Any]]:
    indexes: dict[tuple[Any, ...], int] = {}
    listed = []
    for definition in load_market().pools:
        made = _pool(ordered(definition), indexes)
        accounts.update(made.accounts)
        listed.append(
            {
                "address": address_of(made.key),
                "id": definition.pool_id,
                "kind": definition.kind,
                "base": definition.base.symbol,
                "quote": definition.quote.symbol,
            }
        )
    return listed


def pool_accounts(definition: PoolDefinition, *, number: int) -> PoolAccounts:
    """Return a pool beside the seeded ones: its configuration, or else its address, is its own."""
    return _pool(definition, {}, number)


def ordered(definition: PoolDefinition) -> PoolDefinition:
    """Raydium orders mints by their bytes; where that is the other way round, the price is turned over."""
    base, quote = definition.base, definition.quote
    if definition.kind not in {"cpmm", "clmm"} or pubkey(base.mint) < pubkey(quote.mint):
        return definition
    return replace(
        definition,
        base=quote,
        quote=base,
        price=1 / definition.price,
        depth=definition.depth / definition.price,
    )


def _pool(definition: PoolDefinition, indexes: dict[tuple[Any, ...], int], number: int = 0) -> PoolAccounts:
    state = opening_state(definition)
    amounts = list(pools.reserves(state))
    if isinstance(state, ClmmPool):
        # Each range is rounded on its own, so that a vault without spare units might run dry.
        amounts = [amount + len(state.ticks) for amount in amounts]
    tokens = definition.base, definition.quote
    sides = [
        Side(pubkey(token.mint), token.scale, amount) for token, amount in zip(tokens, amounts, strict=True)
    ]
    both = sides[0], sides[1]
    match state:
        case CpmmPool():
            return cpmm_accounts(state, both, number + _index(indexes, ("cpmm", state.fees)))
        case ClmmPool():
            spacing = definition.parameters["tick_spacing"]
            return clmm_accounts(
                state, both, number + _index(indexes, ("clmm", state.fees, spacing)), spacing
            )
        case DlmmPool():
            return dlmm_accounts(state, both)
        case DammV2Pool():
            return damm_v2_accounts(state, both, number)
    raise AssertionError(f"a pool of no kind: {definition.kind}")


def _index(indexes: dict[tuple[Any, ...], int], config: tuple[Any, ...]) -> int:
    """The number of a configuration account: pools with equal rates share one, per program."""
    same_program = sum(1 for other in indexes if other[0] == config[0])
    return indexes.setdefault(config, same_program)
