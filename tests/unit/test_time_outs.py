"""The limits that one function's waits have, added up.

None outlasts the function, nor a function its gateway.

``tests/integration/test_hanging_outside.py`` shows the same with everything outside hanging. What cannot be
cut short (a secret, a key set) and what must not be (one whole try at the queue) is added up here.
"""

import json
from pathlib import Path
from typing import Any, Final, cast

import pytest

from chalicelib.adapters import jwt_keys
from chalicelib.adapters.aws import secrets, sqs
from chalicelib.adapters.postgres.error_translation import COURTESY_TIME_LIMIT_S
from chalicelib.adapters.time_left import MARGIN_S
from chalicelib.bootstrap.clients import CHECK_TIME_LIMIT_S
from chalicelib.config import Settings
from chalicelib.domain.transactions import VALIDITY_BLOCKS
from chalicelib.handlers.invocation import LAST_WORDS_S
from chalicelib.handlers.queue import UNREADABLE_AGAIN_S
from chalicelib.services.consumer.confirmation import DEADNESS_MARGIN_BLOCKS, Confirmation, PollPolicy
from chalicelib.services.consumer.wait_policy import WaitPolicy
from chalicelib.services.ports import Chain
from tests.fakes.ports import FrozenClock

CONFIG: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "chalice_app" / ".chalice" / "config.json").read_text()
)
SETTINGS: Final = Settings.from_env({"AUTH_MODE": "none", "LOCAL_GATEWAY_HOST": "127.0.0.1"})
# API Gateway's own, which cannot be raised for a WebSocket API:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
INTEGRATION_S: Final = 29
AUTHORIZER_S: Final = 10
QUEUES: Final = json.loads((Path(__file__).parents[2] / "infra" / "deploy" / "queues.json").read_text())
DELIVERIES: Final = QUEUES["Resources"]["OrdersQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
# Solana aims at 0.4 s, and has been slower for hours.
BLOCK_S: Final = 0.5


def seconds_of(function: str) -> int:
    own: dict[str, Any] = CONFIG["lambda_functions"][function]
    return int(own.get("lambda_timeout", CONFIG["lambda_timeout"]))


@pytest.mark.parametrize(
    "function", ["websocket_connect", "websocket_message", "websocket_disconnect", "api_handler"]
)
def test_function_behind_a_gateway_ends_before_the_gateway_gives_up(function: str) -> None:
    assert seconds_of(function) < INTEGRATION_S


def test_authorizer_has_time_for_a_key_set_and_ends_before_the_gateway_gives_up() -> None:
    assert seconds_of("websocket_authorizer") > secrets.TIME_LIMIT_S + jwt_keys.TIME_LIMIT_S + MARGIN_S
    assert seconds_of("websocket_authorizer") <= AUTHORIZER_S


@pytest.mark.parametrize("function", ["websocket_message", "websocket_connect", "api_handler"])
def test_order_has_one_whole_try_at_the_queue_however_slow_all_courtesies_are(function: str) -> None:
    """The login's secret, the reservation's question, noting the connection, the queue, and the answer."""
    spent = secrets.TIME_LIMIT_S + 2 * COURTESY_TIME_LIMIT_S
    assert spent + sqs.TIME_LIMIT_S + LAST_WORDS_S + MARGIN_S <= seconds_of(function)


def test_readiness_is_told_of_database_and_queue_both() -> None:
    assert seconds_of("api_handler") >= CHECK_TIME_LIMIT_S + sqs.TIME_LIMIT_S + MARGIN_S


def test_consumer_waits_for_quotes_and_chain_and_still_publishes() -> None:
    waits_ms = SETTINGS.quote_time_limit_ms + SETTINGS.confirmation_wait_ms + SETTINGS.post_time_limit_ms
    assert waits_ms / 1000 + MARGIN_S <= seconds_of("execute_orders")


def test_lease_outlasts_the_consumer_that_holds_it() -> None:
    assert seconds_of("execute_orders") * 1000 < SETTINGS.lease_ms


def test_message_of_an_order_outlasts_every_attempt_at_it_though_the_chain_takes_none() -> None:
    """A chain that takes longer for most orders is not waited for: deliveries are spent faster then."""
    unasked, clock = cast("Chain", None), FrozenClock()
    poll_policy = PollPolicy(
        SETTINGS.confirmation_wait_ms / 1000, SETTINGS.poll_ms / 1000, SETTINGS.look_again_s
    )
    confirmation = Confirmation(
        unasked, clock, poll_policy=poll_policy, wait_policy=WaitPolicy(clock), attempts_max=1
    )
    deliveries = 0
    for _ in range(SETTINGS.attempts_max):
        left_s = (VALIDITY_BLOCKS + DEADNESS_MARGIN_BLOCKS) * BLOCK_S
        while left_s > 0:
            deliveries += 1
            left_s -= confirmation.pause_s(deliveries, waited_s=0.0)
        deliveries += 1  # finds it dead, and comes back for the next
    assert deliveries <= DELIVERIES


def test_message_that_cannot_be_read_is_a_dead_letter_within_minutes() -> None:
    assert UNREADABLE_AGAIN_S * DELIVERIES <= 6 * 60
