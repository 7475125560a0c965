"""Venues, their pools and the tokens, as REST lists them."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from chalicelib.domain.chosen_route import RefusedPool
from chalicelib.domain.tokens import Tokens
from chalicelib.domain.transactions import ChainHealth
from chalicelib.wire.json_text import JsonObject

if TYPE_CHECKING:
    # The accept path imports this module, and needs no routing.
    from chalicelib.routing.plan import RoutablePool

_NOTHING: Final = MappingProxyType[str, Sequence[RefusedPool]]({})


def chain_health_view(health: ChainHealth) -> JsonObject:
    """Return how a chain is, as ``GET /health/ready`` shows it."""
    return {
        "slot": health.slot,
        "slotAgeSeconds": health.age_s,
        "pools": health.pools,
        "poolsRefused": health.refused,
    }


def venues_view(
    names: Iterable[str],
    pools: "Sequence[RoutablePool]",
    problems: Mapping[str, str],
    tokens: Tokens,
    *,
    refused: Mapping[str, Sequence[RefusedPool]] = _NOTHING,
) -> JsonObject:
    """Return every venue with its pools, or why it does not answer, and every token.

    Args:
        refused: By venue, the pools that are not traded with; each is listed with its reason.
    """
    venues: list[JsonObject] = []
    for name in names:
        own = sorted((pool for pool in pools if pool.venue == name), key=lambda pool: pool.pool_id)
        listed: list[JsonObject] = [{"pool": pool.pool_id, "tokens": list(pool.tokens)} for pool in own]
        listed += [
            {"pool": pool_id, "tokens": list(pair), "error": why}
            for pool_id, pair, why in sorted(refused.get(name, ()))
        ]
        problem = problems.get(name)
        venues.append({"venue": name, "pools": listed} | ({"error": problem} if problem else {}))
    mints = sorted({name for pool in pools for name in pool.tokens if name not in tokens})
    named = [*tokens, *(token for token in map(tokens.find, mints) if token is not None)]
    known = [{"symbol": token.symbol, "mint": token.mint, "decimals": token.scale} for token in named]
    return {"venues": venues, "tokens": known}
