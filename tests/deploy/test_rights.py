"""Each right of each function, taken away under enforced IAM:
something fails, and works again once it is back.

Three kinds of proof. Invoked directly, a function answers badly. Where a client would notice, the client is
asked. What AWS does in the function's name (take messages, write logs) MiniStack does without asking, so
there the same call is made with the role's own keys.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from chalicelib.domain.queue_messages import SubscribeMessage
from chalicelib.wire.queue_messages import render_message
from tests.deploy.events import (
    ORDER,
    SCHEDULE,
    an_order_of_this_stage,
    order_event,
    queue_event,
    socket_event,
)
from tests.deploy.rights import (
    TAKEN,
    Right,
    finished_all,
    invoked,
    renew_environment,
    right,
    rights_in_policies,
    swept,
    without,
)
from tests.deploy.service_calls import BY_SERVICES, is_denied, session_of
from tests.deploy.stage import Stage
from tests.deploy.trials import TRIALS, Outcome, Trial, tried

TIME_LIMIT_S = 120
# After an interruption the consumer asks for a message so much later.
AGAIN_S = 2
LEFT_ALONE_S = 43_200


@contextmanager
def unconsumed(stage: Stage) -> Iterator[None]:
    """Stop the queue's consumer for a while."""
    functions = stage.cloud.client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName="orderflow-dev-execute_orders")[
        "EventSourceMappings"
    ]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@pytest.fixture(scope="module")
def outcomes(stage: Stage) -> dict[Trial, Outcome]:
    # MiniStack removes an environment that is renewed while the consumer may still be at work in it.
    with unconsumed(stage):
        return tried(stage.cloud, TRIALS)


@pytest.mark.parametrize("trial", TRIALS, ids=str)
def test_function_fails_without_any_one_of_its_rights(outcomes: dict[Trial, Outcome], trial: Trial) -> None:
    outcome = outcomes[trial]
    assert not trial.is_fine(outcome.without)
    assert trial.is_fine(outcome.restored), outcome.restored


@contextmanager
def client_of(stage: Stage) -> Iterator[ClientConnection]:
    with connect(stage.websocket_url, open_timeout=TIME_LIMIT_S) as socket:
        yield socket


def answer_to(socket: ClientConnection, **frame: Any) -> Any:
    socket.send(json.dumps(frame))
    return json.loads(socket.recv(TIME_LIMIT_S))


def test_order_is_refused_without_the_right_to_send_it(stage: Stage) -> None:
    with without(stage.cloud, right("websocket_message", "SendOrders")), client_of(stage) as socket:
        assert answer_to(socket, action="submit", **ORDER)["code"] == "SERVICE_UNAVAILABLE"


def test_nothing_can_be_subscribed_to_without_the_right_to_read_the_login(stage: Stage) -> None:
    unknown = {"action": "subscribe", "orderId": str(uuid4())}
    with client_of(stage) as socket:
        with without(stage.cloud, right("websocket_message", "ReadDatabaseSecret")):
            renew_environment(stage.cloud, "websocket_message")
            assert answer_to(socket, **unknown)["code"] == "SERVICE_UNAVAILABLE"
        assert answer_to(socket, **unknown)["code"] == "ORDER_NOT_FOUND"


def test_gone_connection_is_not_forgotten_without_the_right_to_read_the_login(stage: Stage) -> None:
    with client_of(stage):
        connection_id = stage.newest_connection()
        event = socket_event("DISCONNECT", connection_id=connection_id)
        with without(stage.cloud, right("websocket_disconnect", "ReadDatabaseSecret")):
            renew_environment(stage.cloud, "websocket_disconnect")
            invoked(stage.cloud, "websocket_disconnect", event)
        assert connection_id in stage.connections()
        invoked(stage.cloud, "websocket_disconnect", event)
        assert connection_id not in stage.connections()


def test_client_receives_nothing_without_the_right_to_post(stage: Stage) -> None:
    with client_of(stage) as socket:
        body = json.dumps({"action": "ping", "requestId": "unheard"})
        ping = socket_event("MESSAGE", connection_id=stage.newest_connection(), body=body)
        with without(stage.cloud, right("websocket_message", "PostFrames")):
            invoked(stage.cloud, "websocket_message", ping)
        # What it had posted would come first.
        assert answer_to(socket, action="ping") == {"type": "pong", "requestId": None}


@pytest.mark.parametrize("sid", ["KeepArchives", "ReadArchivesBack"])
def test_nothing_leaves_the_record_that_could_not_be_kept_and_read_back(stage: Stage, sid: str) -> None:
    order = an_order_of_this_stage()
    stage.end_long_ago(order)
    with without(stage.cloud, right("archive_orders", sid)):
        assert not invoked(stage.cloud, "archive_orders", SCHEDULE).result["done"]
    done = invoked(stage.cloud, "archive_orders", SCHEDULE).result
    assert done == {"done": True, "archived": 1, "refused": 0, "forgotten": 0, "folded": 0}
    answer = httpx.get(f"{stage.rest_url}/orders/{order.order_id}", timeout=TIME_LIMIT_S)
    assert answer.json()["code"] == "ORDER_ARCHIVED"


def execute(stage: Stage, connection_id: str) -> UUID:
    order = an_order_of_this_stage()
    invoked(stage.cloud, "execute_orders", order_event(order, connection_id=connection_id))
    return order.order_id


def resolve(stage: Stage, connection_id: str) -> UUID:
    order = an_order_of_this_stage()
    letter = order_event(order, queue="orders-dlq", connection_id=connection_id)
    invoked(stage.cloud, "settle_dead_letters", letter)
    return order.order_id


def cancel(stage: Stage, connection_id: str) -> UUID:
    """Cancel over REST what no consumer has begun to execute."""
    order = an_order_of_this_stage()
    stage.put_on_record(order, connection_id)
    answer = httpx.delete(f"{stage.rest_url}/orders/{order.order_id}", timeout=TIME_LIMIT_S)
    assert answer.is_success, answer.text
    return order.order_id


def receives(socket: ClientConnection, order_id: UUID, status: str) -> bool:
    """Return whether the client receives the order's status."""
    deadline = time.monotonic() + TIME_LIMIT_S
    try:
        while True:
            frame = json.loads(socket.recv(timeout=max(0.0, deadline - time.monotonic())))
            if frame.get("orderId") == str(order_id) and frame.get("status") == status:
                return True
    except TimeoutError:
        return False


def has_received(socket: ClientConnection, order_id: UUID, status: str) -> bool:
    """Return whether the order's status was on its way to the client: it comes before an answer then."""
    socket.send(json.dumps({"action": "ping", "requestId": "now"}))
    while (frame := json.loads(socket.recv(TIME_LIMIT_S))).get("requestId") != "now":
        if frame.get("orderId") == str(order_id) and frame.get("status") == status:
            return True
    return False


@pytest.mark.parametrize(
    ("function", "act", "status"),
    [
        ("execute_orders", execute, "confirmed"),
        ("settle_dead_letters", resolve, "failed"),
        ("api_handler", cancel, "canceled"),
    ],
)
def test_client_does_not_learn_what_became_of_its_order_without_the_right_to_post(
    stage: Stage, function: str, act: Callable[[Stage, str], UUID], status: str
) -> None:
    with client_of(stage) as socket:
        # A consumer would catch the client up.
        with unconsumed(stage), without(stage.cloud, right(function, "PostFrames")):
            order_id = act(stage, stage.newest_connection())
            assert not has_received(socket, order_id, status)
        order_id = act(stage, stage.newest_connection())
        assert receives(socket, order_id, status)


@pytest.mark.parametrize(
    ("function", "queue"), [("execute_orders", "orders"), ("settle_dead_letters", "orders-dlq")]
)
def test_client_that_was_not_reached_cannot_be_caught_up_without_the_right_to_send(
    stage: Stage, function: str, queue: str
) -> None:
    order = an_order_of_this_stage()
    # A client that cannot be reached is caught up by a message.
    with client_of(stage), without(stage.cloud, right(function, "PostFrames")):
        event = order_event(order, queue=queue, connection_id=stage.newest_connection())
        with without(stage.cloud, right(function, "SendOrders")):
            assert not finished_all(invoked(stage.cloud, function, event))
        assert finished_all(invoked(stage.cloud, function, event))


def taken_until(stage: Stage, message_id: str) -> dict[str, str]:
    """Take messages from the orders queue until this one is among them; return their receipts by id."""
    sqs, deadline = stage.cloud.client("sqs"), time.monotonic() + TIME_LIMIT_S
    receipts: dict[str, str] = {}
    while message_id not in receipts:
        assert time.monotonic() < deadline, "it did not come"
        taken = sqs.receive_message(
            QueueUrl=stage.outputs["OrdersQueueUrl"], WaitTimeSeconds=1, MaxNumberOfMessages=10
        )
        receipts |= {each["MessageId"]: each["ReceiptHandle"] for each in taken.get("Messages", [])}
    return receipts


def test_interrupted_message_does_not_come_back_soon_without_the_right_to_ask_for_it(stage: Stage) -> None:
    sqs, queue = stage.cloud.client("sqs"), stage.outputs["OrdersQueueUrl"]
    # Its order was accepted and is not on record yet, so it has to be looked at again.
    subscription = SubscribeMessage(
        connection_id="x", account_id="local", order_id=uuid4(), after_seq=0, content_sha256="x"
    )
    with unconsumed(stage):
        sent = sqs.send_message(QueueUrl=queue, MessageBody=render_message(subscription))["MessageId"]
        handle = taken_until(stage, sent)[sent]
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=LEFT_ALONE_S)
        body = render_message(subscription)
        event = queue_event("orderflow-dev-orders", body, receipt_handle=handle, receive_count=1)
        with without(stage.cloud, right("execute_orders", "RetryLater")):
            assert not finished_all(invoked(stage.cloud, "execute_orders", event))
            later = sqs.send_message(QueueUrl=queue, MessageBody=body, DelaySeconds=AGAIN_S + 1)["MessageId"]
            taken = taken_until(stage, later)
            assert sent not in taken
        assert not finished_all(invoked(stage.cloud, "execute_orders", event))
        for receipt in (taken[later], taken_until(stage, sent)[sent]):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=receipt)


def is_closed(socket: ClientConnection) -> bool:
    """Return whether the connection is closed, whatever is said on it before."""
    deadline = time.monotonic() + TIME_LIMIT_S
    try:
        while True:
            socket.recv(timeout=max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return False
    except ConnectionClosed:
        return True


def expire_by_token(stage: Stage, connection_id: str) -> None:
    """Have the message function get a frame of a connection whose token has expired."""
    until = {"authorizer": {"principalId": "local", "expiresAt": "1"}}
    event = socket_event("MESSAGE", connection_id=connection_id, body=json.dumps({"action": "ping"}))
    event["requestContext"] |= until
    assert not invoked(stage.cloud, "websocket_message", event).is_failed


def expire_by_record(stage: Stage, connection_id: str) -> None:
    """Have the sweep find a connection past its time."""
    stage.execute(
        "UPDATE connections SET expires_at = connected_at WHERE connection_id = :it", it=connection_id
    )
    assert not invoked(stage.cloud, "sweep", SCHEDULE).is_failed


@pytest.mark.parametrize(
    ("function", "expire"), [("websocket_message", expire_by_token), ("sweep", expire_by_record)]
)
def test_connection_past_its_time_is_closed_but_not_without_the_right(
    stage: Stage, function: str, expire: Callable[[Stage, str], None]
) -> None:
    with client_of(stage) as spared, without(stage.cloud, right(function, "CloseConnections")):
        expire(stage, stage.newest_connection())
        assert answer_to(spared, action="ping")  # had it been closed, nothing would answer
    with connect(stage.websocket_url, open_timeout=TIME_LIMIT_S) as ended:
        expire(stage, stage.newest_connection())
        assert is_closed(ended)


def test_sweep_cannot_have_a_subscriber_caught_up_without_the_right_to_send(stage: Stage) -> None:
    behind = """
        INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to, updated_at)
        VALUES (:it, gen_random_uuid(), 'local', false, 0, clock_timestamp() - interval '1 hour')
    """
    with without(stage.cloud, right("sweep", "SendOrders")):
        stage.execute(behind, it="unswept")
        assert not swept(invoked(stage.cloud, "sweep", SCHEDULE))
    stage.execute(behind, it="swept")
    assert swept(invoked(stage.cloud, "sweep", SCHEDULE))


def test_matcher_cannot_wake_a_resting_order_without_the_right_to_send(stage: Stage) -> None:
    due = """
        UPDATE watches SET wake_at = clock_timestamp() - interval '1 second'
        WHERE order_id = CAST(:order_id AS uuid)
    """
    with without(stage.cloud, right("match_prices", "SendOrders")), client_of(stage) as socket:
        order_id = answer_to(socket, action="submit", **ORDER, type="limit", limitPrice="100000")["orderId"]
        _wait_for(socket, "open")
        stage.execute(due, order_id=order_id)
        assert invoked(stage.cloud, "match_prices", SCHEDULE).result["unsent"] == 1
        socket.send(json.dumps({"action": "cancel", "orderId": order_id}))
        _wait_for(socket, "canceled")
    assert swept(invoked(stage.cloud, "match_prices", SCHEDULE))


def _wait_for(socket: ClientConnection, status: str) -> None:
    while json.loads(socket.recv(TIME_LIMIT_S)).get("status") != status:
        pass


@pytest.mark.parametrize("asked", BY_SERVICES, ids=str)
def test_service_is_denied_what_it_does_in_a_functions_name_without_the_right(
    stage: Stage, asked: Right
) -> None:
    session = session_of(stage, asked.function)
    with without(stage.cloud, asked):
        assert is_denied(stage, asked, session)
    assert not is_denied(stage, asked, session)


def test_every_right_of_every_policy_was_taken_away(stage: Stage) -> None:
    assert stage.outputs, "the last test of its file, since it looks back on the others"
    left = rights_in_policies() - TAKEN
    assert {each.sid for each in left} == {"ReadSolanaNodes"}, "which test_deployment takes away, on Solana"
