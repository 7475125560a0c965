"""Answers that are more than a copy of a frame."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CanceledAll:
    """
    Attributes:
        canceled: How many orders were canceled.
        already_sent: Ids of those that may land, and were left alone.
        more: Others are left that can be canceled, now or in a while: there were too many for one request, or
            the engine does not know of them yet whether they have executed. The same request finds them.
    """

    canceled: int
    already_sent: tuple[str, ...]
    more: bool = False
