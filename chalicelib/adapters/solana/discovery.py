"""Finding the pools of a pair: all accounts of the four programs that hold its two mints.

Nodes scan for this, and many limit or refuse it: it is asked for once, and the answer kept in a file
(``pool_list``).
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from chalicelib.adapters.solana.accounts import UnsupportedPoolError, read_account
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.layout import Layout
from chalicelib.adapters.solana.layouts import CLMM_POOL, CPMM_POOL, DAMM_V2_POOL, DLMM_PAIR
from chalicelib.adapters.solana.pool_list import ListedPool
from chalicelib.adapters.solana.programs import ProgramIds, SwapProgram
from chalicelib.adapters.solana.rpc_answers import program_accounts
from chalicelib.adapters.solana.rpc_calls import RpcCall, get_program_accounts
from chalicelib.adapters.solana.rpc_nodes import RpcNodes
from chalicelib.domain.tokens import Token

SEARCH_TIME_LIMIT_S: Final = 60.0


class AccountKind(NamedTuple):
    """What a pool account looks like: its layout, and where its mints are."""

    layout: Layout
    mints: tuple[str, str]
    offsets: tuple[int, int]
    venue: str


KINDS: Final = {
    SwapProgram.CPMM: AccountKind(CPMM_POOL, ("token_0_mint", "token_1_mint"), (168, 200), "raydium"),
    SwapProgram.CLMM: AccountKind(CLMM_POOL, ("token_mint_0", "token_mint_1"), (73, 105), "raydium"),
    SwapProgram.DLMM: AccountKind(DLMM_PAIR, ("token_x_mint", "token_y_mint"), (88, 120), "meteora"),
    SwapProgram.DAMM_V2: AccountKind(DAMM_V2_POOL, ("token_a_mint", "token_b_mint"), (168, 200), "meteora"),
}


class FoundPool(NamedTuple):
    """A pool of the pair, whether or not it can be traded with: reading it tells (``PoolReader``)."""

    program: SwapProgram
    listed: ListedPool


def discover(
    nodes: RpcNodes,
    ids: ProgramIds,
    pair: tuple[Token, Token],
    *,
    time_limit_s: float = SEARCH_TIME_LIMIT_S,
    is_together: bool = False,
) -> tuple[FoundPool, ...]:
    """Return all pools that trade two tokens, sorted by program and address.

    Args:
        is_together: Ask for all kinds of pools in one request: quicker, where the node answers it in time.

    Raises:
        NodeError: No node answered the search.
    """
    first, second = pubkey(pair[0].mint), pubkey(pair[1].mint)
    symbols = {first: pair[0].symbol, second: pair[1].symbol}
    searches = [
        (program, program_id, mints)
        for program, program_id in zip(KINDS, ids, strict=True)
        for mints in ((first, second), (second, first))
    ]
    calls = [_search(program_id, KINDS[program], mints) for program, program_id, mints in searches]
    answers = (
        nodes.converse(lambda ask, _: ask.all(calls), time_limit_s=time_limit_s)
        if is_together
        else [nodes.ask(call, time_limit_s=time_limit_s) for call in calls]
    )
    found: dict[Pubkey, FoundPool] = {}
    for (program, program_id, _), answer in zip(searches, answers, strict=True):
        kind = KINDS[program]
        for key, account in program_accounts(answer):
            try:
                keys = read_account(account, kind.layout, program_id).keys
            except UnsupportedPoolError:
                continue  # of the right length, and no pool; or the node does not filter
            names = [symbols.get(keys[name]) for name in kind.mints]
            if None not in names and names[0] != names[1]:
                tokens = (str(names[0]), str(names[1]))
                found[key] = FoundPool(program, ListedPool(address_of(key), kind.venue, key, tokens))
    order = list(SwapProgram)
    return tuple(sorted(found.values(), key=lambda one: (order.index(one.program), one.listed.pool_id)))


def _search(program_id: Pubkey, kind: AccountKind, mints: tuple[Pubkey, Pubkey]) -> RpcCall:
    contents = list(zip(kind.offsets, mints, strict=True))
    return get_program_accounts(program_id, data_bytes=kind.layout.length, contents=contents)


def merged(listed: Iterable[ListedPool], found: Iterable[FoundPool]) -> tuple[ListedPool, ...]:
    """Return a list with what was found added; pools that it has keep their ids and venues."""
    pools = {pool.key: pool for pool in listed}
    for one in found:
        pools.setdefault(one.listed.key, one.listed)
    return tuple(pools.values())
