"""Caps on what our keys spend, and the leave that mainnet needs.

Caps are in base units per token, since no other party's price belongs into a safeguard. A token without caps
is not spent where caps are demanded.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from chalicelib.adapters.solana.programs import Cluster
from chalicelib.domain.errors import Code, DayCapError, RefusedError


class MainnetRefusedError(Exception):
    """Settings that must not trade with real money; the message lists what is missing."""


class SpendCaps(NamedTuple):
    """How much of a token may be spent, in base units.

    Attributes:
        per_order: By one order.
        per_day: By all orders of all accounts that share a key, on one day (UTC).
    """

    per_order: int
    per_day: int


class Spend(NamedTuple):
    """The most of a token, in base units, that an order's transaction may take."""

    order_id: UUID
    token: str
    units: int


class Spending(Protocol):
    """Holds orders to caps over all that is signed."""

    def reserve(self, spends: Sequence[Spend]) -> None:
        """Put down what is about to be signed, all of it or nothing. Safe to repeat for an order.

        Raises:
            RefusedError: A cap would be passed.
            RetryableError: Whether one would be is not known now.
        """
        ...


def require_leave(
    cluster: Cluster, *, is_allowed: bool, caps: Mapping[str, SpendCaps], tokens: Collection[str]
) -> None:
    """Let an engine start on a cluster.

    Args:
        is_allowed: ``SOLANA_ALLOW_MAINNET=1``.
        tokens: Symbols of all tokens that can be traded.

    Raises:
        MainnetRefusedError: It is mainnet, and the leave or a cap is missing.
    """
    if cluster is not Cluster.MAINNET:
        return
    problems = [] if is_allowed else ["SOLANA_ALLOW_MAINNET must be 1"]
    without = sorted(symbol for symbol in tokens if symbol not in caps)
    if without:
        problems.append(f"caps per order and per day are missing for {', '.join(without)}")
    senseless = sorted(symbol for symbol, cap in caps.items() if not 0 < cap.per_order <= cap.per_day)
    if senseless:
        problems.append(f"a cap per order must be above 0 and within the day's: {', '.join(senseless)}")
    if problems:
        raise MainnetRefusedError("; ".join(problems))


def check_spend(
    caps: Mapping[str, SpendCaps], token: str, units: int, *, spent_today: int, is_demanded: bool
) -> None:
    """Accept that an order spends so much at most.

    Args:
        spent_today: Of this token, by everything signed today that has not certainly failed.
        is_demanded: Whether a token without caps may not be spent at all.

    Raises:
        RefusedError: A cap would be passed; ``DayCapError`` if it is the day's.
    """
    cap = caps.get(token)
    if cap is None:
        if is_demanded:
            raise RefusedError(Code.TRANSACTION_FAILED, f"{token} has no cap, and is not spent without one")
        return
    if units > cap.per_order:
        raise RefusedError(Code.TRANSACTION_FAILED, f"the order would spend more {token} than one order may")
    if spent_today + units > cap.per_day:
        raise DayCapError(token)
