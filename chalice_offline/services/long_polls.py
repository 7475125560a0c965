"""Receives that wait: answered as soon as there is what they wait for, as on SQS.

MiniStack's own look at the queue ten times a second, so that a message waits for its consumer for up to a
tenth of one.
"""

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from chalice_offline.services.fair_messages import FairMessages

GATHER: Final = "ChaliceOfflineGather"
"""A member of a receive's request that SQS does not have, ``{"Count": 10, "Seconds": 0.008}``: answer when so
many messages are visible, or after so long with what there is. Only then ``WaitTimeSeconds`` begin. So the
runtime's event source mapping waits for a full batch where it is known how full one is.
"""

_GATHER_MAX_S: Final = 1.0
LOOK_S: Final = 1.0
"""A message that becomes visible while a thread of MiniStack's holds the queue is found so late at most;
so is the end of the queue.
"""


class Gather(NamedTuple):
    """How long an answer may wait for more messages.

    Attributes:
        messages: It is not worth waiting for more than these.
    """

    messages: int
    seconds: float

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Self:
        """Return what a request says; of one that says nothing, or nonsense, that it does not wait."""
        try:
            said = request[GATHER]
            return cls(int(said["Count"]), min(float(said["Seconds"]), _GATHER_MAX_S))
        except (KeyError, TypeError, ValueError):
            return cls(1, 0.0)


async def until_visible(messages: FairMessages, count: int, *, timeout_s: float) -> None:
    """Return once so many messages can be received, and after so long in any case."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while messages.visible(time.time()) < count and (left_s := deadline - loop.time()) > 0:
        returns_at = messages.next_return()
        pause_s = LOOK_S if returns_at is None else max(0.001, returns_at - time.time())
        await _until_heard(messages, count, min(left_s, pause_s, LOOK_S))


async def _until_heard(messages: FairMessages, count: int, timeout_s: float) -> None:
    loop, thread = asyncio.get_running_loop(), threading.get_ident()
    enough: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not enough.done():
            enough.set_result(None)

    def listen(visible: int) -> None:
        if visible < count:
            return
        if threading.get_ident() == thread:
            wake()
        else:
            loop.call_soon_threadsafe(wake)

    with messages.heard_by(listen):
        await asyncio.wait({enough}, timeout=timeout_s)
