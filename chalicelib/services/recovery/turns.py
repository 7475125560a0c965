"""Taking what accounts left behind in parts: accounts take turns, and nothing is looked at twice in a run.

To put every account's first before any account's second all of it would have to be sorted, for each part
anew.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from chalicelib.values import value

ACCOUNTS_MAX: Final = 100
"""So many have their turn in one part."""


@value
class Place:
    """Where to go on among what one account left behind: after this; without ``at``, with the first."""

    account_id: str
    at: datetime | None = None
    order_id: UUID = UUID(int=0)


@value
class Rest:
    """What is still to be looked at.

    Attributes:
        seen_to: Accounts after this one, in the record's order, are yet to be found; None if all have been.
        waiting: Accounts that have more, the first of them next.
        before: What is younger was not there yet, or was taken, when the first part was looked for.
    """

    seen_to: str | None = ""
    waiting: tuple[Place, ...] = ()
    before: datetime | None = None

    def turn(self, found: Sequence[str], most: int) -> tuple[list[Place], "Rest"]:
        """Return whose turn it is, and what is left without them.

        Args:
            found: The next accounts after ``seen_to``, up to ``most``: they have theirs first.
            most: How many have their turn.
        """
        places = [Place(account_id) for account_id in found]
        room = most - len(places)
        seen_to = found[-1] if len(found) == most else None
        return places + list(self.waiting[:room]), Rest(seen_to, self.waiting[room:], self.before)

    def with_more(self, places: Sequence[Place]) -> "Rest | None":
        """Return what is left if these accounts have more; None if nothing is."""
        waiting = (*self.waiting, *places)
        if self.seen_to is None and not waiting:
            return None
        return Rest(self.seen_to, waiting, self.before)
