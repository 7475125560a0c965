"""Events that functions are invoked with directly, as API Gateway, SQS and the schedule make them."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.wire.queue_messages import render_message
from tests.fakes.orders import an_order

CONTEXT = {
    "apiId": "api",
    "domainName": "localhost",
    "stage": "ws",
    "connectedAt": 1_700_000_000_000,
    "identity": {},
}
SCHEDULE = dict.fromkeys(
    ("version", "account", "region", "detail", "detail-type", "source", "time", "id", "resources"), ""
)
ORDER = {"inputToken": "SOL", "outputToken": "USDC", "amount": "0.01"}


def socket_event(kind: str, *, connection_id: str = "gone-connection=", **more: Any) -> dict[str, Any]:
    routes = {"CONNECT": "$connect", "MESSAGE": "$default", "DISCONNECT": "$disconnect"}
    own = {"connectionId": connection_id, "eventType": kind, "routeKey": routes[kind]}
    return {"requestContext": {**CONTEXT, **own}, **more}


def rest_event(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "headers": {"content-type": "application/json"},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "isBase64Encoded": False,
        "body": json.dumps(body) if body else None,
        "requestContext": {"httpMethod": method, "resourcePath": path, "identity": {}},
    }


def queue_event(
    queue: str, body: str, *, receipt_handle: str = "x", receive_count: int = 11
) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": str(receive_count), "SentTimestamp": "0", "SenderId": "x"}
    record = {
        "messageId": str(uuid4()),
        "receiptHandle": receipt_handle,
        "body": body,
        "attributes": attributes,
    }
    source = {"eventSource": "aws:sqs", "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}"}
    return {
        "Records": [{**record, **source, "messageAttributes": {}, "md5OfBody": "", "awsRegion": "us-east-1"}]
    }


def order_event(order: Order, *, queue: str = "orders", connection_id: str | None = None) -> dict[str, Any]:
    """Return the event of an order that came over the connection."""
    message = OrderMessage(order=order, connection_id=connection_id)
    return queue_event(f"orderflow-dev-{queue}", render_message(message))


def an_order_of_this_stage() -> Order:
    return an_order(account_id="local", accepted_at=datetime.now(UTC))
