"""The seeded pools as the list that an engine trades from (``SOLANA_POOLS_FILE``)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from chalicelib.adapters.solana.keys import pubkey
from chalicelib.adapters.solana.pool_list import ListedPool, written_pools
from infra.chain.chain import Chain

_VENUES: Final = {"cpmm": "raydium", "clmm": "raydium", "dlmm": "meteora", "damm_v2": "meteora"}


def write_pools(chain: Chain, path: Path) -> None:
    """Write the list in one step: a reader sees the old one or the new one.

    Raises:
        ValueError: The chain was never seeded.
        OSError: The file cannot be written.
    """
    if chain.fact("pools") is None:
        raise ValueError("--pools-file needs --seed: this chain has no pools to list")
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(written_pools(_listed(chain)), encoding="utf-8")
    draft.replace(path)


def _listed(chain: Chain) -> Iterator[ListedPool]:
    mints = {token["symbol"]: pubkey(token["mint"]) for token in chain.fact("tokens")}
    for pool in chain.fact("pools"):
        tokens = [pool["base"], pool["quote"]]
        venue = _VENUES[pool["kind"]]
        if venue == "raydium":
            tokens.sort(key=mints.__getitem__)
        yield _entry(pool, venue, tokens)


def _entry(pool: Any, venue: str, tokens: list[str]) -> ListedPool:
    return ListedPool(pool["id"], venue, pubkey(pool["address"]), (tokens[0], tokens[1]))
