"""Which pools are traded: a list in a file, since no node can search for them quickly.

A TOML file of tables ``[[pools]]`` with an ``address``, the ``venue`` that clients see, and the symbols of
the pool's two ``tokens`` in the order of its mints, optionally with an ``id`` of one's own. The pool's bytes
have the last word: one that trades other mints than its tokens' is refused.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.domain.tokens import Tokens

POOLS_MAX: Final = 500
_ID_CHARACTERS_MAX: Final = 64


class PoolListError(Exception):
    """The list is unusable; the message lists every problem."""


class ListedPool(NamedTuple):
    """A pool as the list names it.

    Attributes:
        tokens: Symbols of token 0 and token 1, as the pool orders its mints.
    """

    pool_id: str
    venue: str
    key: Pubkey
    tokens: tuple[str, str]


def load_pools(path: Path, tokens: Tokens) -> tuple[ListedPool, ...]:
    """Read a file.

    Raises:
        PoolListError: There is no such file, or something in it is wrong.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PoolListError(f"{path}: {error}") from error
    return parsed_pools(document, tokens)


def parsed_pools(document: Mapping[str, Any], tokens: Tokens) -> tuple[ListedPool, ...]:
    """Return the pools of a parsed file.

    Raises:
        PoolListError: Something in it is wrong.
    """
    entries = document.get("pools")
    if not isinstance(entries, list) or len(entries) > POOLS_MAX:
        raise PoolListError(f"pools must be a list of at most {POOLS_MAX} tables")
    found: dict[Pubkey, ListedPool] = {}
    problems: list[str] = []
    for place, entry in enumerate(entries):
        try:
            pool = _pool(entry, tokens)
        except ValueError as error:
            problems.append(f"pools[{place}]: {error}")
            continue
        if pool.key in found or pool.pool_id in {other.pool_id for other in found.values()}:
            problems.append(f"pools[{place}]: {pool.pool_id} is listed twice")
        found[pool.key] = pool
    if problems:
        raise PoolListError("; ".join(problems))
    return tuple(found.values())


def written_pools(pools: Iterable[ListedPool]) -> str:
    """Return the text of a file that lists pools; a list without any is a list, too."""
    return (
        "\n".join(
            "[[pools]]\n"
            + (f'id = "{pool.pool_id}"\n' if pool.pool_id != address_of(pool.key) else "")
            + f'address = "{address_of(pool.key)}"\nvenue = "{pool.venue}"\n'
            + f'tokens = ["{pool.tokens[0]}", "{pool.tokens[1]}"]\n'
            for pool in pools
        )
        or "pools = []\n"
    )


def _pool(entry: Any, tokens: Tokens) -> ListedPool:
    if not isinstance(entry, dict):
        raise ValueError("must be a table")  # noqa: TRY004 - all problems of a list are told alike
    address, venue, symbols = entry.get("address"), entry.get("venue"), entry.get("tokens")
    if not isinstance(address, str):
        raise ValueError("address must be a text")  # noqa: TRY004
    key = pubkey(address)
    pool_id = entry.get("id", address)
    for name, text in (("id", pool_id), ("venue", venue)):
        if not (isinstance(text, str) and 0 < len(text) <= _ID_CHARACTERS_MAX and _is_plain(text)):
            raise ValueError(f"{name} must be 1 to {_ID_CHARACTERS_MAX} letters, digits, - or _")
    if not (isinstance(symbols, list) and len(symbols) == 2 and symbols[0] != symbols[1]):
        raise ValueError("tokens must be two symbols")
    unknown = [symbol for symbol in symbols if not isinstance(symbol, str) or symbol not in tokens]
    if unknown:
        raise ValueError(f"tokens: {unknown[0]!r} is no token that is traded")
    other = entry.keys() - {"address", "id", "tokens", "venue"}
    if other:
        raise ValueError(f"{min(other)} is not known here")
    return ListedPool(pool_id, str(venue), key, (symbols[0], symbols[1]))


def _is_plain(text: str) -> bool:
    return text.isascii() and text.replace("-", "").replace("_", "").isalnum()
