"""What this client follows: one order's events, wherever they come from."""

import asyncio

from orderflow_client.errors import OrderflowError
from orderflow_client.history import History
from orderflow_client.models import OrderEventFrame


class Tracked:
    """An order's history, and a bell that rings when more of it is known.

    Attributes:
        is_submitted: By this client: the engine may not have it on record yet.
        connection: The number of the connection that is subscribed to it; 0 if none is.
        error: Why there will be no more of it.
    """

    def __init__(self, *, is_submitted: bool) -> None:
        self.history = History()
        self.is_submitted = is_submitted
        self.connection = 0
        self.error: OrderflowError | None = None
        self._changed = asyncio.Event()

    def add(self, event: OrderEventFrame) -> None:
        if self.history.add(event):
            self.ring()

    def fail(self, error: OrderflowError) -> None:
        self.error = error
        self.ring()

    def ring(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def bell(self) -> asyncio.Event:
        """Return what will be set at the next change; taken before looking, no change is missed."""
        return self._changed
