"""Frames for the one connection that asked: answers and refusals, beside the events that subscribers get."""

from uuid import UUID

from chalicelib.domain.errors import ExecutionError
from chalicelib.services.ports import Connections, Delivery, Frame
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.server_frames import error, json_text


class Replies:
    """Sends each frame by itself, once; what became of it is the caller's to act on."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def send(self, connection_id: str, frame: JsonObject) -> Delivery:
        """Send one frame to one connection."""
        return self._connections.post([Frame(connection_id, json_text(frame))])[connection_id]

    def refuse(
        self,
        connection_id: str,
        request_id: str | None,
        refusal: ExecutionError,
        *,
        order_id: UUID | None = None,
    ) -> Delivery:
        """Send a refusal as an error frame."""
        return self.send(connection_id, error(request_id, refusal, order_id=order_id))
