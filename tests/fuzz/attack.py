"""Hostile frames and handshakes through a running gateway, and what came back."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.fuzz.hostile import Hostile

BURST: Final = 50
"""Frames sent before the connection is asked whether it is still there."""

_TIME_LIMIT_S: Final = 60.0
_GATEWAY_FAULTS: Final = frozenset({"Internal server error", "Endpoint request timed out", "Forbidden"})


@dataclass
class Findings:
    """What an attack saw; ``faults`` must be empty.

    Attributes:
        answers: Frames by type, error frames by code.
        handshakes: By status; 101 was let in.
    """

    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    handshakes: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def note(self, frame: Mapping[str, Any]) -> None:
        kind = frame.get("code") or frame.get("type")
        if kind is None or kind == "INTERNAL_ERROR" or frame.get("message") in _GATEWAY_FAULTS:
            self.faults.append(f"unexpected frame: {frame}")
        self.answers[str(kind)] += 1


async def attack(
    url: str, *, frames: int, seed: int, connections: int, headers: Mapping[str, str] | None = None
) -> Findings:
    """Send so many hostile frames, and a hostile handshake for every hundred of them."""
    findings = Findings()
    share = -(-frames // connections)
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            source = Hostile(seed * 1_000 + number)
            group.create_task(_converse(url, source, share, headers or {}, findings))
        group.create_task(_knock(url, Hostile(seed), max(1, frames // 100), headers or {}, findings))
    return findings


async def _converse(
    url: str, source: Hostile, frames: int, headers: Mapping[str, str], findings: Findings
) -> None:
    left = frames
    async with connect(url, additional_headers=headers, max_size=None, open_timeout=None) as socket:
        while left > 0:
            burst = [source.message() for _ in range(min(BURST, left))]
            try:
                for text in burst:
                    await socket.send(text.encode(errors="replace").decode())
                await _until_pong(socket, f"fuzz-{left}", findings)
            except (ConnectionClosed, TimeoutError) as error:
                findings.faults.append(f"{type(error).__name__} after one of {burst!r}")
                return
            left -= len(burst)
            findings.sent += len(burst)


async def _until_pong(socket: ClientConnection, mark: str, findings: Findings) -> None:
    """Read all answers up to that of a ping of our own."""
    await socket.send(json.dumps({"action": "ping", "requestId": mark}))
    async with asyncio.timeout(_TIME_LIMIT_S):
        while True:
            frame = json.loads(await socket.recv())
            if frame.get("requestId") == mark:
                return
            findings.note(frame)


async def _knock(
    url: str, source: Hostile, times: int, headers: Mapping[str, str], findings: Findings
) -> None:
    """Open connections with hostile queries, one after the other."""
    for _ in range(times):
        query = urlencode(source.query(), errors="replace")
        try:
            async with connect(f"{url}?{query}", additional_headers=headers, open_timeout=_TIME_LIMIT_S):
                findings.handshakes[101] += 1
        except InvalidStatus as refused:
            status = refused.response.status_code
            findings.handshakes[status] += 1
            if status >= 500:
                findings.faults.append(f"{status} for ?{query}")
