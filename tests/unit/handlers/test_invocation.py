"""How long whatever a handler waits for may take."""

from typing import Any

import pytest
from chalice.app import LambdaFunctionEvent, WebsocketEvent

from chalicelib.adapters.time_left import MARGIN_S, time_left
from chalicelib.handlers.invocation import LAST_WORDS_S, in_time
from tests.deploy.events import socket_event


class Context:
    """Lambda's, of an invocation with ten seconds left."""

    def get_remaining_time_in_millis(self) -> int:
        return 10_000


def seconds_for_work(event: Any) -> float:
    return float(in_time(event, lambda _: time_left.for_work(60.0)))


def test_handler_knows_what_is_left_of_its_invocation() -> None:
    left_s = seconds_for_work(LambdaFunctionEvent({}, Context()))
    assert 9.0 < left_s <= 10.0 - MARGIN_S


def test_frame_leaves_time_to_answer_it() -> None:
    left_s = seconds_for_work(WebsocketEvent(socket_event("MESSAGE", body="{}"), Context()))
    assert 8.0 < left_s <= 10.0 - MARGIN_S - LAST_WORDS_S


def test_limit_ends_with_the_invocation_even_if_that_fails() -> None:
    def fail(_: Any) -> None:
        raise KeyError("planted")

    with pytest.raises(KeyError):
        in_time(LambdaFunctionEvent({}, Context()), fail)
    assert time_left.for_work(3_600.0) == 3_600.0
