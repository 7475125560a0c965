"""For each right of a function, a call that cannot succeed without it; and a way to take the right away for a while."""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from chalicelib.wire.queue_messages import OrderMessage
from infra.deploy.cloud import Cloud
from tests.fakes.orders import an_order

CONTEXT = {
    "connectionId": "gone-connection=",
    "apiId": "api",
    "domainName": "localhost",
    "stage": "ws",
    "connectedAt": 1_700_000_000_000,
    "identity": {},
}
SCHEDULE = dict.fromkeys(
    ("version", "account", "region", "detail", "detail-type", "source", "time", "id", "resources"), ""
)
# Cold starts are a matter of the processor: more of them at once only take longer each.
ENVIRONMENTS_AT_ONCE = 2
PATIENCE_S = 60
ORDER = {"inputToken": "SOL", "outputToken": "USDC", "amount": "0.01"}


@dataclass(frozen=True)
class Answer:
    """What an invocation gave, and whether the function failed."""

    result: Any
    is_failed: bool


@dataclass(frozen=True, eq=False)
class Right:
    """One statement of a function's policy, and an event that cannot be dealt with without it."""

    function: str
    sid: str
    event: dict[str, Any]
    is_fine: Callable[[Answer], bool]

    @property
    def is_read_once(self) -> bool:
        """Whether an environment uses the right at its first event alone."""
        return self.sid.startswith("Read")

    def __str__(self) -> str:
        return f"{self.function}-{self.sid}"


def socket_event(kind: str, **more: Any) -> dict[str, Any]:
    routes = {"CONNECT": "$connect", "MESSAGE": "$default", "DISCONNECT": "$disconnect"}
    return {"requestContext": {**CONTEXT, "eventType": kind, "routeKey": routes[kind]}, **more}


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


def queue_event(queue: str, body: str) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": "11", "SentTimestamp": "0", "SenderId": "x"}
    record = {"messageId": str(uuid4()), "receiptHandle": "x", "body": body, "attributes": attributes}
    source = {"eventSource": "aws:sqs", "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}"}
    return {
        "Records": [{**record, **source, "messageAttributes": {}, "md5OfBody": "", "awsRegion": "us-east-1"}]
    }


def succeeded(answer: Answer) -> bool:
    return not answer.is_failed


def finished_all(answer: Answer) -> bool:
    """Return whether a consumer reported no message of its batch as unfinished."""
    return not answer.is_failed and answer.result["batchItemFailures"] == []


def answered_well(answer: Answer) -> bool:
    return not answer.is_failed and answer.result["statusCode"] < 400


DEAD_LETTER = queue_event("orderflow-dev-orders-dlq", "not a message of ours")
RESUME = queue_event("orderflow-dev-orders", json.dumps({"kind": "resume", "order_id": str(uuid4())}))
NEW_ORDER = OrderMessage(order=an_order(account_id="local", accepted_at=datetime.now(UTC)))
EXECUTE = queue_event("orderflow-dev-orders", NEW_ORDER.model_dump_json())

RIGHTS = (
    Right(
        "websocket_connect", "SendOrders", socket_event("CONNECT", queryStringParameters=ORDER), answered_well
    ),
    Right("websocket_connect", "ReadDatabaseSecret", socket_event("CONNECT"), answered_well),
    Right("websocket_disconnect", "ReadDatabaseSecret", socket_event("DISCONNECT"), succeeded),
    Right("api_handler", "SendOrders", rest_event("POST", "/orders", ORDER), answered_well),
    Right("api_handler", "CheckOrdersQueue", rest_event("GET", "/health/ready"), answered_well),
    Right("api_handler", "ReadDatabaseSecret", rest_event("GET", "/venues"), answered_well),
    Right("execute_orders", "ReadDatabaseSecret", RESUME, finished_all),
    Right("execute_orders", "ReadWalletSeed", EXECUTE, finished_all),
    Right("settle_dead_letters", "ReadDatabaseSecret", DEAD_LETTER, finished_all),
    Right("settle_dead_letters", "ReadWalletSeed", DEAD_LETTER, finished_all),
    Right("sweep", "ReadDatabaseSecret", SCHEDULE, succeeded),
)


@dataclass(frozen=True)
class Trial:
    """What an invocation gave without a right, and what the next one gave with it."""

    without: Answer
    restored: Answer


def tried(cloud: Cloud, rights: Iterable[Right]) -> dict[Right, Trial]:
    """Try to do without each right, one after the other within a function, and functions side by side."""
    by_function: dict[str, list[Right]] = {}
    for right in rights:
        by_function.setdefault(right.function, []).append(right)
    with ThreadPoolExecutor(ENVIRONMENTS_AT_ONCE) as executor:
        per_function = executor.map(
            lambda own: [(each, _trial(cloud, each)) for each in own], by_function.values()
        )
        return {right: trial for trials in per_function for right, trial in trials}


def _trial(cloud: Cloud, right: Right) -> Trial:
    with without(cloud, right.function, right.sid):
        # Only what an environment has read before it lost the right could hide the loss.
        if right.is_read_once:
            renew_environment(cloud, right.function)
        refused = invoked(cloud, right.function, right.event)
    return Trial(refused, invoked(cloud, right.function, right.event))


def invoked(cloud: Cloud, function: str, event: dict[str, Any]) -> Answer:
    answer = cloud.client("lambda").invoke(
        FunctionName=f"orderflow-dev-{function}", Payload=json.dumps(event)
    )
    return Answer(json.loads(answer["Payload"].read() or b"null"), "FunctionError" in answer)


def renew_environment(cloud: Cloud, function: str) -> None:
    """Have the next invocation start cold, with no client or login from before."""
    functions, name = cloud.client("lambda"), f"orderflow-dev-{function}"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    environment = {"Variables": {**variables, "COLD_START": uuid4().hex}}
    functions.update_function_configuration(FunctionName=name, Environment=environment, Timeout=PATIENCE_S)


@contextmanager
def without(cloud: Cloud, function: str, sid: str) -> Iterator[None]:
    """Take the right out of the function's role, and give it back."""
    iam = cloud.client("iam")
    configuration = cloud.client("lambda").get_function_configuration(
        FunctionName=f"orderflow-dev-{function}"
    )
    role = configuration["Role"].rpartition("/")[2]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    left = [statement for statement in policy["Statement"] if statement["Sid"] != sid]
    assert len(left) == len(policy["Statement"]) - 1, f"{function} has no statement {sid}"
    iam.put_role_policy(
        RoleName=role, PolicyName=name, PolicyDocument=json.dumps({**policy, "Statement": left})
    )
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
