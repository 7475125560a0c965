"""Answers that are more than a copy of a frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CanceledAll:
    """
    Attributes:
        canceled: How many orders were canceled.
        already_sent: Ids of those that may land, and were left alone.
    """

    canceled: int
    already_sent: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an order would do; nothing was stored. ``raw`` has the engine's answer."""

    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A pair as it stands: the mark, the best rates both ways, and how old they are, in ``raw``."""

    raw: Mapping[str, Any]
