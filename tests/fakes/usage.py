"""What accounts take up, as a test says it is."""

from datetime import datetime

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.principals import Principal
from chalicelib.services.intake.limits import NotedConnection


class FakeUsage:
    """``Usage`` that has room or not; ``is_down`` makes it fail."""

    def __init__(self, *, has_room: bool = True, subscription_count: int = 0, is_down: bool = False) -> None:
        self.has_room = has_room
        self.subscribed = subscription_count
        self.is_down = is_down
        self.noted: dict[str, datetime] = {}
        self.batched: set[str] = set()
        self.accounts: dict[str, str] = {}
        self.looked_up: list[str] = []

    def note_connection(
        self, connection_id: str, account_id: str, expires_at: datetime, *, batched: bool, limit: int
    ) -> bool:
        del limit
        if self.is_down:
            raise RetryableError("the record is down")
        if self.has_room:
            self.noted[connection_id] = expires_at
            self.accounts[connection_id] = account_id
            if batched:
                self.batched.add(connection_id)
        return self.has_room

    def noted_connection(self, connection_id: str) -> NotedConnection | None:
        if self.is_down:
            raise RetryableError("the record is down")
        self.looked_up.append(connection_id)
        if connection_id not in self.noted:
            return None
        principal = Principal(self.accounts[connection_id], self.noted[connection_id])
        return NotedConnection(principal, connection_id in self.batched)

    def subscription_count(self, connection_id: str) -> int:
        del connection_id
        return self.subscribed
