"""Spans that double while something goes wrong, up to a bound."""


class Doubling:
    """A wait in seconds that doubles each time it is asked for.

    It keeps the wait itself and no count of failures: a count grows for ever, and two to the power of it is
    no float from the 1,024th on.
    """

    def __init__(self, first_s: float, most_s: float) -> None:
        assert 0 < first_s <= most_s
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def take(self) -> float:
        """Return the wait for this time."""
        taken_s = self._next_s
        self._next_s = min(taken_s * 2, self._most_s)
        return taken_s

    def reset(self) -> None:
        """Begin with the first wait again."""
        self._next_s = self._first_s
