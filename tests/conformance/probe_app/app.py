"""A Chalice app that does what its client asks, and tells what API Gateway showed it.

The conformance suite talks to it over its WebSocket alone, so that the same suite can judge any deployment.
What a handler saw is kept under the connection's id, in a directory (``PROBE_DIR``) or in a DynamoDB table
with the keys ``connectionId`` and ``at`` (``PROBE_TABLE``), because each handler may run somewhere else.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import boto3
from boto3.dynamodb.conditions import Key
from botocore.config import Config
from botocore.exceptions import ClientError
from chalice.app import Chalice, LambdaFunctionEvent, Response, WebsocketEvent

# The management API's address; the default is AWS's.
ENDPOINT = os.environ.get("PROBE_ENDPOINT", "https://{domain}/{stage}")
CLIENT_CONFIG = Config(connect_timeout=60, read_timeout=60, retries={"total_max_attempts": 1})

app = Chalice(app_name="gateway-probe")
app.experimental_feature_flags.update(["WEBSOCKETS"])
# Not boto3's default one, which keeps the credentials of whatever in this process was the first to use it.
SESSION = boto3.Session()
app.websocket_api.session = SESSION
_clients: dict[str, Any] = {}


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> dict[str, Any]:
    """Do what the query asks: ``status``, ``raise``, ``sleep`` (seconds), ``post``, ``subprotocol``."""
    raw = event.to_dict()
    query = raw.get("queryStringParameters") or {}
    remember(event.connection_id, raw)
    time.sleep(float(query.get("sleep", 0)))
    if "raise" in query:
        raise RuntimeError("as asked")
    if "post" in query:
        remember(event.connection_id, {"callback": call_back(raw, "POST", event.connection_id, "too early")})
    headers = {"Sec-WebSocket-Protocol": query["subprotocol"]} if "subprotocol" in query else {}
    return {"statusCode": int(query.get("status", 200)), "headers": headers}


@app.on_ws_message()
def message(event: WebsocketEvent) -> dict[str, Any]:
    """Do what the message's ``do`` asks, and send the result back over @connections."""
    raw = event.to_dict()
    try:
        order = json.loads(raw["body"])
    except ValueError:
        order = {}
    if not isinstance(order, dict):
        order = {}
    if order.get("do") == "return":
        return dict(order["payload"])
    reply = obey(raw, order)
    call_back(raw, "POST", event.connection_id, json.dumps(reply))
    return {"statusCode": 200}


@app.on_ws_disconnect()
def disconnect(event: WebsocketEvent) -> None:
    """Keep the event, and whether the connection could still be reached."""
    raw = event.to_dict()
    remember(event.connection_id, {"callback": call_back(raw, "POST", event.connection_id, "too late")})
    remember(event.connection_id, raw)


@app.lambda_function(name="authorize")
def authorize(event: LambdaFunctionEvent | dict[str, Any], _context: object) -> dict[str, Any]:
    """Allow or deny, as the query's ``token`` says; an unknown token is an error."""
    raw = event if isinstance(event, dict) else event.to_dict()
    effect = {"allow": "Allow", "deny": "Deny"}[raw["queryStringParameters"]["token"]]
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": raw["methodArn"]}
    return {
        "principalId": "somebody",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"type": raw["type"], "methodArn": raw["methodArn"], "number": 7},
    }


@app.route("/echo/{name}", methods=["POST"], cors=True)
def echo(name: str) -> Response:
    """Return the REST event's own account of the request."""
    request = app.current_request
    assert request is not None, "Chalice sets it before a view runs"
    body = {"name": name, "query": dict(request.query_params or {}), "body": request.json_body}
    return Response(body=body, status_code=201, headers={"X-Probe": "yes"})


def obey(raw: dict[str, Any], order: dict[str, Any]) -> object:
    """Carry out an order; return what its sender gets to see."""
    match order.get("do", "event"):
        case "event":
            return raw
        case "events":
            return recall(order["connectionId"])
        case "call back":
            data = order.get("data", "x" * order.get("size", 0))
            return call_back(raw, order["method"], order["connectionId"], data)
        case "sleep":
            time.sleep(order["seconds"])
            return "awake"
    raise RuntimeError("as asked")


def call_back(raw: dict[str, Any], method: str, connection_id: str, data: str) -> dict[str, Any]:
    """Call the management API; return its answer, or its error code and message."""
    context = raw["requestContext"]
    endpoint = ENDPOINT.format(domain=context["domainName"], stage=context["stage"])
    if endpoint not in _clients:
        _clients[endpoint] = SESSION.client(
            "apigatewaymanagementapi", endpoint_url=endpoint, config=CLIENT_CONFIG
        )
    client = _clients[endpoint]
    try:
        match method:
            case "POST":
                answer = client.post_to_connection(ConnectionId=connection_id, Data=data.encode())
            case "GET":
                answer = client.get_connection(ConnectionId=connection_id)
            case _:
                answer = client.delete_connection(ConnectionId=connection_id)
    except ClientError as refusal:
        answer = refusal.response
    metadata = answer.pop("ResponseMetadata")
    found = {"status": metadata["HTTPStatusCode"], "requestId": metadata.get("RequestId")}
    return {**found, **json.loads(json.dumps(answer, default=lambda at: at.isoformat()))}


def remember(connection_id: str, record: dict[str, Any]) -> None:
    """Keep a record of a connection, after those it has."""
    if "PROBE_DIR" in os.environ:
        path = Path(os.environ["PROBE_DIR"], connection_id)
        with path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        return
    item = {"connectionId": connection_id, "at": time.time_ns(), "record": json.dumps(record)}
    SESSION.resource("dynamodb").Table(os.environ["PROBE_TABLE"]).put_item(Item=item)


def recall(connection_id: str) -> list[Any]:
    """Return a connection's records in order."""
    if "PROBE_DIR" in os.environ:
        path = Path(os.environ["PROBE_DIR"], connection_id)
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    table = SESSION.resource("dynamodb").Table(os.environ["PROBE_TABLE"])
    condition = Key("connectionId").eq(connection_id)
    return [json.loads(item["record"]) for item in table.query(KeyConditionExpression=condition)["Items"]]
