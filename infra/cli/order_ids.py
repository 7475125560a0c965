"""Orders by the beginning of their ids, or both ends: what is shown of an id can be pasted back."""

import re
from typing import Final
from uuid import UUID

import click
from sqlalchemy import Connection, text

from infra.cli.parameters import wrong

SHORTEST: Final = 8
"""Of an id as it is shown; more where another order begins alike."""

_LEAST: Final = 4
_NAMED_MAX: Final = 5
_ENDING: Final = 4
_BEGINNING: Final = re.compile(r"[0-9a-f-]{4,36}")
_BOTH_ENDS: Final = re.compile(r"(.*?)(?:…|\.\.\.?)([0-9a-f]{1,12})")
# Between the least and the greatest id that begins so: the primary key's index answers.
_BEGIN_ALIKE: Final = text("""
SELECT order_id::text FROM orders
WHERE order_id BETWEEN CAST(:least AS uuid) AND CAST(:greatest AS uuid)
  AND right(order_id::text, length(:ending)) = :ending
ORDER BY order_id LIMIT :limit
""")


def both_ends(order_id: str) -> str:
    """Return what tells an id from those of the same minute, which begin alike: ``01a21f69…6388``."""
    return f"{order_id[:SHORTEST]}…{order_id[-_ENDING:]}"


def short(order_id: str, *others: str | None) -> str:
    """Return as much of an id as tells it from the others, its neighbours in the order of ids."""
    alike = max((_alike(order_id, other) for other in others if other), default=0)
    return order_id[: max(SHORTEST, alike + 1)].removesuffix("-")


def _alike(one: str, other: str) -> int:
    return next(
        (place for place, pair in enumerate(zip(one, other, strict=True)) if len({*pair}) > 1), len(one)
    )


def bounds(beginning: str) -> tuple[str, str]:
    """Return the least and the greatest id that begins so.

    Raises:
        BadParameter: No id begins so.
    """
    said = beginning.strip().lower()
    digits = said.replace("-", "")
    if not _BEGINNING.fullmatch(said) or not _LEAST <= len(digits) <= 32:
        needed = f"an id, or its first {_LEAST} hexadecimal digits or more, is needed"
        raise wrong("ORDER_ID", f"{beginning} is no order: {needed}")
    return str(UUID(digits.ljust(32, "0"))), str(UUID(digits.ljust(32, "f")))


def order_of(connection: Connection, said: str) -> str:
    """Return the id of the one order that begins so, or begins and ends so (``both_ends``).

    Raises:
        ClickException: There is none, or there are several.
    """
    ends = _BOTH_ENDS.fullmatch(said.strip().lower())
    beginning, ending = ends.groups() if ends else (said, "")
    least, greatest = bounds(beginning)
    parameters = {"least": least, "greatest": greatest, "ending": ending, "limit": _NAMED_MAX + 1}
    found = list(connection.execute(_BEGIN_ALIKE, parameters).scalars())
    if not found:
        raise click.ClickException(f"there is no order {said}")
    if len(found) > 1:
        named = "\n  ".join(found[:_NAMED_MAX] + ["..."] * (len(found) > _NAMED_MAX))
        raise click.ClickException(f"several orders begin with {said}:\n  {named}")
    return str(found[0])
