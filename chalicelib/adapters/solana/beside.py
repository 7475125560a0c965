"""Calls that travel in the same request as others: it is one round trip, however many calls it carries."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from chalicelib.adapters.solana.rpc_calls import RpcCall


class Beside(NamedTuple):
    """What is asked beside something else, and is not missed if it is not answered.

    Attributes:
        take: Given the node's place, and for each call its result or its ``NodeError``. Raises nothing.
    """

    calls: Sequence[RpcCall]
    take: Callable[[int, Sequence[Any]], None]


def calls_of(several: Sequence[Beside]) -> list[RpcCall]:
    """Return the calls of all, in their order."""
    return [call for one in several for call in one.calls]


def hand_over(several: Sequence[Beside], place: int, answers: Sequence[Any]) -> None:
    """Give each the answers to its calls."""
    start = 0
    for one in several:
        one.take(place, answers[start : start + len(one.calls)])
        start += len(one.calls)
