"""Answers that are more than a copy of a frame."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CanceledAll:
    """
    Attributes:
        canceled: How many orders were canceled.
        already_sent: Ids of those that may land, and were left alone.
    """

    canceled: int
    already_sent: tuple[str, ...]
