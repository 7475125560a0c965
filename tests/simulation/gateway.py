"""WebSocket connections: who is connected, what they were sent, and the ways in which a post can fail."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chalicelib.services.ports import Delivery, Frame
from chalicelib.wire.server_frames import BATCH_BYTES_MAX
from tests.simulation.world import TIME_LIMITS_S, World

FrameObject = dict[str, Any]
_POST_LIMIT_S: Final = TIME_LIMITS_S["gateway"]


@dataclass(eq=False)
class Peer:
    """A client's end of one connection.

    Attributes:
        is_established: Its handshake is through; before that, a post finds no peer.
        wants_batches: It asked for frames that hold several others; ``frames`` has what is in them.
    """

    connection_id: str
    account_id: str
    is_established: bool = True
    is_open: bool = True
    wants_batches: bool = False
    frames: list[FrameObject] = field(default_factory=list)

    def seqs(self, order_id: str) -> list[int]:
        """Return the numbers of an order's events as they arrived, repetitions included."""
        return [
            frame["seq"] for frame in self.frames if frame["type"] == "order" and frame["orderId"] == order_id
        ]

    def has(self, kind: str, **facts: object) -> bool:
        return any(
            frame["type"] == kind and all(frame.get(key) == value for key, value in facts.items())
            for frame in self.frames
        )


class SimulatedGateway:
    """The port ``Connections``."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.peers: dict[str, Peer] = {}
        self.defects: list[str] = []

    def connect(self, account_id: str, *, is_established: bool = True, wants_batches: bool = False) -> Peer:
        name = f"connection-{len(self.peers) + 1}"
        peer = Peer(name, account_id, is_established, wants_batches=wants_batches)
        self.peers[peer.connection_id] = peer
        return peer

    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        by_connection: dict[str, list[str]] = {}
        for frame in frames:
            by_connection.setdefault(frame.connection_id, []).append(frame.text)
        return {id_: self._post_all(id_, texts) for id_, texts in by_connection.items()}

    def close(self, connection_id: str) -> None:
        self.drop(self.peers[connection_id])

    def drop(self, peer: Peer) -> None:
        peer.is_open = False
        self._world.note("gateway", f"{peer.connection_id} gone")

    def _post_all(self, connection_id: str, texts: list[str]) -> Delivery:
        for text in texts:
            if len(text.encode()) > BATCH_BYTES_MAX:
                self.defects.append(f"{connection_id} was sent {len(text.encode())} bytes in one frame")
            delivery = self._post(self.peers[connection_id], json.loads(text))
            if delivery is not Delivery.DELIVERED:
                return delivery
        return Delivery.DELIVERED

    def _post(self, peer: Peer, frame: FrameObject) -> Delivery:
        """Send one frame: 200, 410, or the adapter gives up after 429s, 5xxs or silence."""
        world, shown = self._world, f"{frame['type']} {frame.get('seq', '')} to {peer.connection_id}"
        world.sleep(world.dice.random() * world.weather.slow_ms / 1000)
        if world.weather.is_out("gateway", world.scheduler.now_s) or world.happens(
            world.weather.frame_trouble / 2
        ):
            return self._undelivered(shown)
        if not (peer.is_open and peer.is_established):
            world.note("gateway", f"410 for {shown}")
            return Delivery.GONE
        if frame["type"] == "batch" and not peer.wants_batches:
            self.defects.append(f"{peer.connection_id} was sent a batch and had asked for none")
        peer.frames += frame["frames"] if frame["type"] == "batch" else [frame]
        world.note("gateway", shown)
        if world.happens(world.weather.frame_trouble / 2):
            return self._undelivered(f"no answer, though it arrived: {shown}")
        return Delivery.DELIVERED

    def _undelivered(self, shown: str) -> Delivery:
        self._world.note("gateway", f"undelivered: {shown}")
        self._world.sleep(self._world.dice.random() * _POST_LIMIT_S)
        return Delivery.UNDELIVERED
