"""What tests and the engine need to trade on a seeded local chain: its pools as a list."""

from pathlib import Path
from typing import Any, Final

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.solana.accounts import present
from chalicelib.adapters.solana.blockhashes import Blockhashes
from chalicelib.adapters.solana.chain import SendingPolicy, SolanaChain
from chalicelib.adapters.solana.chain_view import ChainReader
from chalicelib.adapters.solana.fills import Names
from chalicelib.adapters.solana.keys import address_of, pubkey
from chalicelib.adapters.solana.layouts import CLMM_POOL, CPMM_POOL, DAMM_V2_POOL, DLMM_PAIR
from chalicelib.adapters.solana.pool_list import ListedPool, written_pools
from chalicelib.adapters.solana.pool_reader import PoolReader
from chalicelib.adapters.solana.priority_fees import PriorityFees, PriorityPolicy
from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster, SwapProgram
from chalicelib.adapters.solana.rpc_answers import accounts_at
from chalicelib.adapters.solana.rpc_calls import get_multiple_accounts
from chalicelib.adapters.solana.rpc_nodes import RpcNode, RpcNodes
from chalicelib.adapters.solana.signer import Signer
from chalicelib.adapters.solana.wallet_reader import WalletReader
from chalicelib.adapters.token_list import load_tokens
from chalicelib.bootstrap.clients import Clients
from chalicelib.bootstrap.solana_market import SolanaMarket
from chalicelib.config import Settings
from chalicelib.domain.tokens import Tokens

IDS: Final = PROGRAM_IDS[Cluster.LOCAL]
_MINTS: Final = {
    SwapProgram.CPMM: (CPMM_POOL, "token_0_mint", "token_1_mint"),
    SwapProgram.CLMM: (CLMM_POOL, "token_mint_0", "token_mint_1"),
    SwapProgram.DLMM: (DLMM_PAIR, "token_x_mint", "token_y_mint"),
    SwapProgram.DAMM_V2: (DAMM_V2_POOL, "token_a_mint", "token_b_mint"),
}
_RAYDIUM: Final = frozenset({SwapProgram.CPMM, SwapProgram.CLMM})


def solana_chain(
    nodes: RpcNodes,
    signer: Signer,
    pools: PoolReader,
    names: Names,
    *,
    witnesses: int = 1,
    is_simulated: bool = False,
) -> SolanaChain:
    """Return a chain with time enough for a busy machine."""
    return SolanaChain(
        nodes,
        signer,
        pools,
        names,
        blockhashes=Blockhashes(nodes, time_limit_s=10, witnesses=witnesses),
        wallets=WalletReader(nodes, time_limit_s=10),
        priority_fees=PriorityFees(nodes, PriorityPolicy(), time_limit_s=10),
        reader=ChainReader(nodes, lambda: names, time_limit_s=10, witnesses=witnesses),
        policy=SendingPolicy(time_limit_s=10, is_simulated=is_simulated),
    )


def listed_pools(nodes: RpcNodes, status: dict[str, Any], tokens: Tokens) -> list[ListedPool]:
    """Return the seeded pools that ``chain_status`` names, with their tokens in the order of their mints."""
    keys = [pubkey(one["address"]) for one in status["pools"]]
    read = accounts_at(nodes.ask(get_multiple_accounts(keys), time_limit_s=10), len(keys))
    symbols = {pubkey(token.mint): token.symbol for token in tokens}
    listed = []
    for key, account in zip(keys, read.accounts, strict=True):
        owner = present({key: account}, key, "pool")
        program = IDS.program_of(owner.owner)
        assert program is not None
        layout, first, second = _MINTS[program]
        mints = layout.read(owner.data).keys
        venue = "raydium" if program in _RAYDIUM else "meteora"
        listed.append(
            ListedPool(address_of(key), venue, key, (symbols[mints[first]], symbols[mints[second]]))
        )
    return listed


def market_on(url: str, pools_file: Path, *, seed: str) -> SolanaMarket:
    """Return the engine's market on a chain; its nodes are to be closed."""
    settings = Settings(
        solana_rpc_urls=url,
        solana_pools_file=str(pools_file),
        wallet_seed=seed,
        # How long an answer takes says how busy the machine is.
        solana_call_time_limit_ms=30_000,
    )
    return SolanaMarket(settings, SystemClock(), load_tokens(), Clients(settings))


def write_pool_file(path: Path, url: str, status: dict[str, Any]) -> Path:
    """Write the list of a seeded chain's pools."""
    node = RpcNode(url)
    try:
        path.write_text(
            written_pools(listed_pools(RpcNodes([node]), status, load_tokens())), encoding="utf-8"
        )
    finally:
        node.close()
    return path
