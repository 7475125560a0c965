"""The WebSocket API in AsyncAPI 3.0."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from chalicelib.wire.answers import SERVER_FRAMES
from chalicelib.wire.client_frames import ACTIONS
from chalicelib.wire.fields import TEXT_LENGTH_MAX
from chalicelib.wire.order_fields import OrderFields
from infra.specs.schemas import reference, schemas
from infra.version import VERSION

_CHANNEL: Final = "#/channels/orders"
_REQUEST: Final = {
    "action": {"type": "string"},
    "requestId": {
        "type": "string",
        "minLength": 1,
        "maxLength": TEXT_LENGTH_MAX,
        "description": "Printable characters, repeated in the answer.",
    },
}
_DRY_RUN: Final = {
    "dryRun": {
        "type": "boolean",
        "default": False,
        "description": "Only tell what would happen: the answer is a PreviewFrame, and nothing is stored.",
    }
}


def asyncapi() -> dict[str, Any]:
    """Return the document."""
    sent = {action: _client_message(action, model) for action, model in ACTIONS.items()}
    received = {frame.__name__: _server_message(frame) for frame in SERVER_FRAMES}
    models = (*dict.fromkeys(ACTIONS.values()), *SERVER_FRAMES)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Orderflow",
            "version": VERSION,
            "description": "Submit orders and see every step of them. One JSON object per text frame.",
        },
        "servers": {
            "local": {"host": "127.0.0.1:3000", "pathname": "/ws", "protocol": "ws"},
            "aws": {
                "host": "{apiId}.execute-api.{region}.amazonaws.com",
                "pathname": "/ws",
                "protocol": "wss",
                "variables": {"apiId": {}, "region": {"default": "us-east-1"}},
                "security": [{"$ref": "#/components/securitySchemes/bearer"}],
            },
        },
        "channels": {
            "orders": {
                "address": "/",
                "description": "A frame without an action is a submit if it carries order fields, and a "
                "subscribe if it carries only an orderId. The connection URL may carry either as a query.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*sent, *received)},
                "bindings": {"ws": {"method": "GET", "query": _query()}},
            }
        },
        "operations": {
            "ask": _operation("receive", sent),
            "tell": _operation("send", received),
        },
        "components": {
            "schemas": schemas(models),
            "messages": sent | received,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(action: str, messages: dict[str, Any]) -> dict[str, Any]:
    """Return an operation; AsyncAPI takes the server's point of view."""
    return {
        "action": action,
        "channel": {"$ref": _CHANNEL},
        "messages": [{"$ref": f"{_CHANNEL}/messages/{name}"} for name in messages],
    }


def _client_message(action: str, model: type[BaseModel]) -> dict[str, Any]:
    asked = {**_REQUEST, "action": {"const": action}} | (_DRY_RUN if action == "submit" else {})
    payload = {"allOf": [{"type": "object", "properties": asked}, reference(model)]}
    return {"name": action, "contentType": "application/json", "payload": payload}


def _server_message(frame: type[BaseModel]) -> dict[str, Any]:
    # In one line: CPython 3.13 keeps the lines of a docstring without their indentation, 3.12 with it.
    summary = " ".join((frame.__doc__ or "").split()) if "__doc__" in vars(frame) else ""
    described = {"summary": summary} if summary else {}
    return {
        "name": frame.__name__,
        **described,
        "contentType": "application/json",
        "payload": reference(frame),
    }


def _query() -> dict[str, Any]:
    """Return what the connection URL may carry: an order, an order to subscribe to, a token,
    and how events are sent.
    """
    order = {name: {"type": "string"} for name in _names_in_a_url(OrderFields)}
    subscription = {
        "orderId": {"type": "string", "format": "uuid"},
        "afterSeq": {"type": "integer", "minimum": 0},
    }
    batch = {
        "type": "string",
        "enum": ["0", "1"],
        "default": "0",
        "description": "1: events and acknowledgements that fall together travel in one BatchFrame.",
    }
    properties = {**order, **subscription, "token": {"type": "string"}, "batch": batch}
    return {"type": "object", "properties": properties}


def _names_in_a_url(model: type[BaseModel]) -> Iterator[str]:
    """Yield what a URL calls the fields of a model: the members of an object stand by themselves."""
    schema = model.model_json_schema()
    for name, field in schema["properties"].items():
        references = (each.get("$ref", "") for each in field.get("anyOf", ()))
        objects = (schema["$defs"].get(reference.rpartition("/")[2], {}) for reference in references)
        members = next((found["properties"] for found in objects if "properties" in found), None)
        yield from [name] if members is None else (f"{name}.{member}" for member in members)
