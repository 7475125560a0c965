"""At which look transactions have usually landed: from that one on they are asked for with their statuses.

A transaction that is asked for too soon costs a call for nothing, one that is asked for afterwards a request
more. So the share of those that were found landed at their first look, their second and so on is kept, as of
the last dozens, and what landed more often than not is expected to.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from threading import Lock
from typing import Final

_LOOKS_TOLD_APART: Final = 8
_REMEMBERED: Final = 16
"""Each transaction counts for so much less than all that came before it."""

_RATHER: Final = 0.5
_FOLLOWED_MAX: Final = 4_096


class UsualLooks:
    """Counts looks at transactions; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._landed = [1.0] * _LOOKS_TOLD_APART
        self._looks: OrderedDict[str, int] = OrderedDict()

    def expected(self, signatures: Sequence[str]) -> list[str]:
        """Return those that the coming look will rather find landed than not."""
        with self._lock:
            return [each for each in signatures if self._landed[self._looks.get(each, 0)] >= _RATHER]

    def looked(self, signatures: Sequence[str], landed: Collection[str]) -> None:
        """Count a look, and what it found landed."""
        with self._lock:
            for each in signatures:
                looks = self._looks.pop(each, 0)
                share = self._landed[looks]
                self._landed[looks] = share + ((each in landed) - share) / _REMEMBERED
                if each not in landed:
                    self._looks[each] = min(looks + 1, _LOOKS_TOLD_APART - 1)
            while len(self._looks) > _FOLLOWED_MAX:
                self._looks.popitem(last=False)
