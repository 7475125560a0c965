"""The time that an invocation has, known to whatever waits for something outside."""

from collections.abc import Callable
from typing import Any, Final

from chalice.app import Request, WebsocketEvent

from chalicelib.adapters.time_left import time_left

LAST_WORDS_S: Final = 1.0
"""For frames that are posted, which leave over another connection than the question came by."""


def in_time(event: Any, get_response: Callable[[Any], Any]) -> Any:
    """Let an invocation's handler run in the knowledge of how long it may; for Chalice's ``middleware``."""
    context: Any = event.lambda_context if isinstance(event, Request) else event.context
    last_words_s = LAST_WORDS_S if isinstance(event, WebsocketEvent) else 0.0
    with time_left.of_invocation(context.get_remaining_time_in_millis() / 1000, last_words_s=last_words_s):
        return get_response(event)
