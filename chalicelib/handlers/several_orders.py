"""Requests about several orders at once, for both APIs, and their REST routes."""

from collections.abc import Sequence
from typing import Any, Final

from chalice.app import Request, Response

from chalicelib.bootstrap import services
from chalicelib.domain.errors import ExecutionError, FieldError
from chalicelib.handlers import refusals
from chalicelib.handlers.identity import http_account
from chalicelib.handlers.named_tokens import unread_mints
from chalicelib.handlers.rest_edge import answer, http_errors
from chalicelib.handlers.url_query import refuse_dry_run, refuse_in_url, url_query
from chalicelib.services.intake.rates import RequestKind
from chalicelib.services.intake.submit_batch import Result
from chalicelib.wire.json_text import JsonObject, parse_object
from chalicelib.wire.resting_frames import (
    OF_ORDERS,
    CancelAllFields,
    SubmitBatchFields,
    batch_fields,
    cancel_filters,
    each_of,
    filter_fields,
    tokens_named,
)
from chalicelib.wire.several_orders import batched_terms, canceled_all, results

_IDEMPOTENCY_KEY: Final = "Idempotency-Key"


def answer_frame(
    fields: SubmitBatchFields | CancelAllFields, account_id: str, connection_id: str, request_id: str | None
) -> JsonObject:
    """Submit the orders of a batch, which the connection subscribes to, or cancel those that fit a filter.

    Returns the answering frame.
    """
    match fields:
        case SubmitBatchFields():
            of_each = _submitted(fields, account_id, connection_id=connection_id, request_id=request_id)
            shown: JsonObject = {"results": results(of_each)}
            kind = "acceptedBatch"
        case CancelAllFields():
            kind, shown = "canceledAll", _canceled(fields, account_id)
    return {"type": kind, "requestId": request_id, **shown}


@http_errors
def submit_batch(request: Request) -> Response:
    """Submit up to twenty orders; 202 says that each result tells what became of its order."""
    account_id = http_account(request.headers)
    if request.headers.get(_IDEMPOTENCY_KEY) is not None:
        raise FieldError(_IDEMPOTENCY_KEY, "is of one order: give each order of the batch a clientOrderId")
    members = parse_object(request.raw_body, services().access.messages)
    refuse_dry_run(request, members)
    refuse_in_url(request, OF_ORDERS | {"orders"})
    fields = batch_fields(SubmitBatchFields, members)
    return answer({"results": results(_submitted(fields, account_id))}, 202)


@http_errors
def cancel_all(request: Request) -> Response:
    """Cancel all orders of the account that fit the filters, which are in the query or in the body."""
    account_id = http_account(request.headers)
    fields = filter_fields(CancelAllFields, _filters(request))
    return answer(_canceled(fields, account_id))


def _filters(request: Request) -> dict[str, Any]:
    body = parse_object(request.raw_body, services().access.messages) if request.raw_body else {}
    body = {name: value for name, value in body.items() if value is not None}
    refuse_dry_run(request, body)
    query: dict[str, Any] = url_query(request, *(request.query_params or ()))
    if (types := query.get("types")) is not None:
        query["types"] = types.split(",")
    for name in query.keys() & body.keys():
        raise FieldError(name, "is in the query and in the body: say it once")
    return query | body


def _submitted(
    fields: SubmitBatchFields,
    account_id: str,
    *,
    connection_id: str | None = None,
    request_id: str | None = None,
) -> Sequence[Result]:
    use = services()
    unread = unread_mints(use, account_id, tokens_named(fields))
    asked = each_of(fields, lambda members: batched_terms(members, use.tokens, unread))
    of_each = use.submit_batch.submit(asked, account_id, connection_id=connection_id, request_id=request_id)
    for result in of_each:
        if isinstance(result, ExecutionError):
            refusals.note(result)
    return of_each


def _canceled(fields: CancelAllFields, account_id: str) -> JsonObject:
    use = services()
    wanted = cancel_filters(fields, use.tokens)
    use.access.requests.admit(account_id, RequestKind.CANCEL)
    done = use.cancel_all_orders.cancel_all(account_id, wanted)
    use.observer.flush()
    return canceled_all(done.canceled, done.already_sent, done.accepted_until, more=done.has_more)
