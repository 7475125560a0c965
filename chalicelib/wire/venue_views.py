"""Venues, their pools and the tokens, as REST lists them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from chalicelib.domain.tokens import Tokens
from chalicelib.wire.json_text import JsonObject

if TYPE_CHECKING:
    # The accept path imports this module, and needs no routing.
    from chalicelib.routing.plan import RoutablePool


def venues_view(
    names: Iterable[str], pools: "Sequence[RoutablePool]", problems: Mapping[str, str], tokens: Tokens
) -> JsonObject:
    """Return every venue with its pools, or why it does not answer, and every token."""
    venues: list[JsonObject] = []
    for name in names:
        own = sorted((pool for pool in pools if pool.venue == name), key=lambda pool: pool.pool_id)
        listed = [{"pool": pool.pool_id, "tokens": list(pool.tokens)} for pool in own]
        problem = problems.get(name)
        venues.append({"venue": name, "pools": listed} | ({"error": problem} if problem else {}))
    known = [{"symbol": token.symbol, "mint": token.mint, "decimals": token.scale} for token in tokens]
    return {"venues": venues, "tokens": known}
