"""What accounts take up, as a test says it is."""

from datetime import datetime

from chalicelib.domain.errors import RetryableError


class FakeUsage:
    """``Usage`` that has room or not; ``is_down`` makes it fail."""

    def __init__(self, *, has_room: bool = True, subscription_count: int = 0, is_down: bool = False) -> None:
        self.has_room = has_room
        self.subscribed = subscription_count
        self.is_down = is_down
        self.noted: dict[str, datetime] = {}
        self.batched: set[str] = set()

    def note_connection(
        self, connection_id: str, account_id: str, expires_at: datetime, *, batched: bool, limit: int
    ) -> bool:
        del account_id, limit
        if self.is_down:
            raise RetryableError("the record is down")
        if self.has_room:
            self.noted[connection_id] = expires_at
            if batched:
                self.batched.add(connection_id)
        return self.has_room

    def subscription_count(self, connection_id: str) -> int:
        del connection_id
        return self.subscribed
