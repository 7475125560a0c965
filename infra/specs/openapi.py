"""The REST API in OpenAPI 3.1."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from chalicelib.adapters.console_files import CONTENT_TYPES
from chalicelib.config import Settings
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType
from chalicelib.wire import answers, rest_answers
from chalicelib.wire.fields import CLIENT_ORDER_ID_LENGTH_MAX
from chalicelib.wire.order_fields import OrderFields, SwapFields
from chalicelib.wire.resting_frames import CancelAllFields, NewTerms, SubmitBatchFields
from infra.specs.operations import in_path, json_of, query, refusals, response
from infra.specs.operator_paths import MODELS, operator_paths
from infra.specs.schemas import schemas
from infra.version import VERSION

_REFUSALS: Final = {
    "400": "A field breaks a rule.",
    "401": "The credential is missing, wrong or expired.",
    "403": "The credential's subject cannot be an account, or it lacks the operator's scope.",
    "404": "Unknown, or another account's.",
    "410": "The order ended long ago, and is archived.",
    "409": "The order's state or content forbids it.",
    "413": "The body is too large.",
    "415": "The Content-Type is neither JSON's, nor a form's, nor plain text's.",
    "422": "Understood, and cannot be done.",
    "429": "A limit is reached.",
    "503": "Try again later; with OUTCOME_UNKNOWN, ask for the order first.",
}
_WHOLE_NUMBER_MAX: Final = 999_999_999
_BODIES: Final = {
    "bySide": {"value": {"side": "sell", "amount": "0.5"}},
    "byTokens": {
        "value": {"inputToken": "USDC", "outputToken": "SOL", "amount": "12.5", "swapMode": "exactIn"}
    },
}
_SELLS: Final = (
    {"side": "sell", "amount": "0.5", "clientOrderId": "first"},
    {"side": "sell", "amount": "0.25", "clientOrderId": "second"},
)
_UUID: Final = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_NAME: Final = {"type": "string", "minLength": 1}
_ORDER_ID: Final = {"$ref": "#/components/parameters/orderId"}


def openapi() -> dict[str, Any]:
    """Return the document."""
    models: tuple[type[BaseModel], ...] = (
        OrderFields,
        SwapFields,
        NewTerms,
        SubmitBatchFields,
        CancelAllFields,
        rest_answers.OrderAccepted,
        answers.Preview,
        answers.BatchResults,
        answers.Canceled,
        rest_answers.OrderBody,
        rest_answers.OrderPage,
        rest_answers.OrderEvents,
        answers.Quote,
        rest_answers.Venues,
        rest_answers.Markets,
        rest_answers.Health,
        rest_answers.Readiness,
        answers.ErrorBody,
        *MODELS,
    )
    # The format alone binds no reader of the document.
    order_id = in_path("orderId", {"type": "string", "format": "uuid", "pattern": _UUID})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Orderflow",
            "version": VERSION,
            "description": "Order execution for DEX swaps. "
            "Amounts and prices are decimal strings in token units.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            {"url": "http://127.0.0.1:3000/api", "description": "make run"},
            {
                "url": "https://{apiId}.execute-api.{region}.amazonaws.com/api",
                "variables": {"apiId": {"default": "apiId"}, "region": {"default": "us-east-1"}},
            },
        ],
        "security": [{"bearer": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas(models),
            "parameters": {"orderId": order_id},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "With AUTH_MODE=jwt; the account is the token's subject.",
                }
            },
        },
    }


def _paths() -> dict[str, Any]:
    return {
        **_paths_of_orders(),
        **_paths_of_an_order(),
        **_paths_of_prices(),
        "/console": {"get": _named("console", _console_page())},
        "/console/{version}/{asset}": {
            "parameters": [in_path("version", _NAME), in_path("asset", _NAME)],
            "get": _named("consoleAsset", _console_asset()),
        },
        **operator_paths(),
        "/health": {"get": _named("health", _open("The function runs", rest_answers.Health))},
        "/health/ready": {
            "get": _named(
                "ready",
                _open(
                    "Database and queue answer; the former lacks no migration, takes writes, has pools",
                    rest_answers.Readiness,
                    "503",
                ),
            )
        },
    }


def _paths_of_orders() -> dict[str, Any]:
    submit = _submit()
    batch = _operation(
        "Submit up to 20 orders, each by itself",
        answers.BatchResults,
        "202",
        "400 413 503",
        body=SubmitBatchFields,
        examples={"two": {"value": {"orders": list(_SELLS)}}},
    )
    batch["responses"]["202"]["description"] = "Each result says what became of its order."
    page_size_max = Settings.model_fields["query_page_size_max"].default
    status = {"type": "string", "enum": [str(status) for status in OrderStatus]}
    listing = _operation("List orders, newest first", rest_answers.OrderPage, "200", "400 503")
    listing["parameters"] = [
        query("status", status),
        query("limit", {"type": "integer", "minimum": 1, "maximum": page_size_max}),
        query("cursor", {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9_-]+$"}),
    ]
    return {
        "/orders": {
            "post": _named("submitOrder", submit),
            "get": _named("listOrders", listing),
            "delete": _named("cancelOrders", _cancel_all()),
        },
        "/orders/batch": {"post": _named("submitOrders", batch)},
        "/orders/execute": {"post": _named("executeOrder", submit)},
    }


def _submit() -> dict[str, Any]:
    submit = _operation(
        "Submit an order", rest_answers.OrderAccepted, "202", "400 409 413 429 503", body=OrderFields
    )
    key = {"type": "string", "minLength": 1, "maxLength": CLIENT_ORDER_ID_LENGTH_MAX}
    submit["parameters"] = [
        query("Idempotency-Key", key) | {"in": "header", "description": "The same as clientOrderId."},
        query("dryRun", {"type": "string", "enum": ["true", "false"], "default": "false"})
        | {"description": "true: tell what would happen, and do nothing."},
    ]
    submit["responses"]["200"] = response("A dry run: nothing was stored.", answers.Preview)
    return submit


def _cancel_all() -> dict[str, Any]:
    cancel_all = _operation("Cancel all orders that fit, or all", answers.Canceled, "200", "400 413 503")
    types = query("types", {"type": "array", "items": {"enum": [str(each) for each in OrderType]}})
    cancel_all["parameters"] = [
        query("baseAsset", {"type": "string", "minLength": 1}),
        query("quoteAsset", {"type": "string", "minLength": 1}),
        types | {"style": "form", "explode": False},
    ]
    cancel_all["requestBody"] = {
        "required": False,
        "description": "The same filters; each in the query or here.",
        "content": json_of(CancelAllFields),
    }
    cancel_all["responses"]["415"] = response(_REFUSALS["415"], answers.ErrorBody)
    return cancel_all


def _paths_of_an_order() -> dict[str, Any]:
    body = rest_answers.OrderBody
    read = _operation("Read an order", body, "200", "400 404 410 503")
    amend = _operation("Change an order that rests", body, "200", "400 404 409 413 429 503", body=NewTerms)
    cancel = _operation("Cancel an order that was not sent yet", body, "200", "400 404 409 413 503")
    events = _operation("Read an order's events", rest_answers.OrderEvents, "200", "400 404 410 503")
    after = {"type": "integer", "minimum": 0, "maximum": _WHOLE_NUMBER_MAX, "default": 0}
    events["parameters"] = [query("afterSeq", after)]
    return {
        "/orders/{orderId}": {
            "parameters": [_ORDER_ID],
            "get": _named("readOrder", read),
            "patch": _named("amendOrder", amend),
            "delete": _named("cancelOrder", cancel),
        },
        "/orders/{orderId}/events": {"parameters": [_ORDER_ID], "get": _named("readEvents", events)},
    }


def _paths_of_prices() -> dict[str, Any]:
    quote = _operation(
        "Ask what an order would get", answers.Quote, "200", "400 413 422 503", body=SwapFields
    )
    venues = _operation("List venues and tokens", rest_answers.Venues, "200", "400 503")
    markets = _operation("List pairs and prices", rest_answers.Markets, "200", "400 503")
    return {
        "/quotes": {"post": _named("quote", quote)},
        "/venues": {"get": _named("listVenues", venues)},
        "/markets": {"get": _named("listMarkets", markets)},
    }


def _operation(
    summary: str,
    answer: type[BaseModel],
    status: str,
    refused: str,
    *,
    body: type[BaseModel] | None = None,
    examples: Mapping[str, Any] = _BODIES,
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {
            status: response(
                "Done." if status == "200" else "Accepted: it will reach a final status.", answer
            ),
            **refusals(refused, _REFUSALS),
        },
    }
    if body is not None:
        content = json_of(body)
        content["application/json"]["examples"] = dict(examples)
        operation["requestBody"] = {"required": True, "content": content}
        operation["responses"]["415"] = response(_REFUSALS["415"], answers.ErrorBody)
    return operation


def _open(summary: str, answer: type[BaseModel], *also: str) -> dict[str, Any]:
    """Return an operation that needs no credential."""
    responses = {status: response(summary, answer) for status in ("200", *also)}
    return {"summary": summary, "security": [], "responses": responses}


def _console_page() -> dict[str, Any]:
    page = {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}}
    known = {"description": "The browser has it: If-None-Match names its ETag."}
    return {
        "summary": "The console, for browsers",
        "security": [],
        "parameters": [query("If-None-Match", {"type": "string"}) | {"in": "header"}],
        "responses": {"200": page, "304": known},
    }


def _console_asset() -> dict[str, Any]:
    text = {"schema": {"type": "string"}}
    kinds = sorted({content_type.partition(";")[0] for content_type in CONTENT_TYPES.values()})
    file = {"description": "A file of the console.", "content": dict.fromkeys(kinds, text)}
    missing = response("This release has no such file.", answers.ErrorBody)
    return {"summary": "A file of the console", "security": [], "responses": {"200": file, "404": missing}}


def _named(operation_id: str, operation: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": operation_id, **operation}
