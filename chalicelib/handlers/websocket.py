"""The three WebSocket routes: parse, call one service, answer."""

from collections.abc import Mapping
from typing import Any

from chalicelib.bootstrap import Services, services
from chalicelib.domain.errors import Code, ExecutionError, FieldError, RetryableError, UnauthorizedError
from chalicelib.domain.queue_messages import SubscribeMessage
from chalicelib.handlers import previews, refusals, several_orders
from chalicelib.handlers.errors import defect, http_status
from chalicelib.handlers.identity import (
    accepted_subprotocol,
    connecting_principal,
    connection_name,
    websocket_caller,
)
from chalicelib.handlers.named_tokens import tokens_for
from chalicelib.logs import logger
from chalicelib.services.delivery.replay import Subscriber
from chalicelib.services.intake.rates import RequestKind
from chalicelib.services.ports import QueueMessage
from chalicelib.wire import server_frames
from chalicelib.wire.client_frames import (
    CancelFields,
    PingFields,
    SubscribeFields,
    UnsubscribeFields,
    parse_client_frame,
    request_id_of,
)
from chalicelib.wire.connection_url import check_names, check_once, subscription_from_query, wants_batches
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.order_fields import (
    ORDER_FIELDS,
    OrderFields,
    SwapFields,
    order_fields_from_query,
    swap_terms,
)
from chalicelib.wire.queue_messages import render_message
from chalicelib.wire.resting_frames import AmendFields, CancelAllFields, SubmitBatchFields, is_dry_by_query


def connect(event: Mapping[str, Any]) -> JsonObject:
    """Let a connection in; its URL may carry an order, or the id of one to subscribe to."""
    context = event["requestContext"]
    logger.set_correlation_id(context.get("requestId"))
    query = event.get("queryStringParameters") or {}
    connection = context["connectionId"]
    try:
        connection = connection_name(context)
        principal, is_noted_only = connecting_principal(event)
        check_once(event.get("multiValueQueryStringParameters") or {})
        batched = wants_batches(query)
        services().access.requests.admit(principal.account_id, RequestKind.CONNECT)
        services().access.connections.admit(
            connection, principal, batched=batched, is_relied_on=is_noted_only
        )
        _act_on_url(query, connection, principal.account_id)
    except ExecutionError as refusal:
        _log_refusal("connection refused", connection, refusal)
        refusals.note(refusal)
        _forget(connection)
        return _not_let_in(refusal)
    except Exception:  # noqa: BLE001  # the outermost edge
        logger.exception("defect", doing="opening a connection", connection_id=connection)
        _forget(connection)
        return _not_let_in(defect())
    subprotocol = accepted_subprotocol(event)
    return {"statusCode": 200} | ({"headers": {"Sec-WebSocket-Protocol": subprotocol}} if subprotocol else {})


def message(event: Mapping[str, Any]) -> JsonObject:
    """Act on one client frame; refusals are answered with an error frame and leave the connection open.

    Only a connection that has outlived its token is closed, or of which nothing is known: it
    may send nothing any more, and receives nothing.

    The answer is the result's body where the API gives that to the client (``ROUTE_RESPONSES``), which
    saves a call to the management API; elsewhere it is posted.
    """
    context, use = event["requestContext"], services()
    logger.set_correlation_id(context.get("requestId"))
    text = event.get("body") or ""
    connection, refused = context["connectionId"], None
    try:
        connection = connection_name(context)
        caller = websocket_caller(context, connection)
        if caller.principal.expires_at is not None and caller.principal.is_expired(use.clock.now()):
            raise UnauthorizedError(Code.UNAUTHORIZED, "the credential has expired")  # noqa: TRY301
        answer = _act(text, connection, caller.principal.account_id, batched=caller.is_batched)
    except ExecutionError as refusal:
        refused = refusal
        _log_refusal("frame refused", connection, refusal)
        answer = server_frames.error(request_id_of(text, use.access.messages), refusal)
    except Exception:  # noqa: BLE001  # the outermost edge
        logger.exception("defect", doing="acting on a frame", connection_id=connection)
        answer = server_frames.error(request_id_of(text, use.access.messages), defect())
    result: JsonObject = {"statusCode": 200}
    # A body leaves after the function's end: too late for a connection that is closed before.
    is_closed = isinstance(refused, UnauthorizedError)
    if answer is not None:
        if use.settings.route_responses and not is_closed:
            result["body"] = server_frames.json_text(answer)
        else:
            use.replies.send(connection, answer)
    if is_closed:
        use.connections.close(connection)
    if refused is not None:
        refusals.note(refused)  # once the client has its answer, if that was posted
    return result


def disconnect(event: Mapping[str, Any]) -> JsonObject:
    """Forget a connection and all its subscriptions."""
    context = event["requestContext"]
    logger.set_correlation_id(context.get("requestId"))
    try:
        _forget(connection_name(context))
    except UnauthorizedError as refusal:
        _log_refusal("connection of no API of ours", context["connectionId"], refusal)
    return {"statusCode": 200}


def _not_let_in(refusal: ExecutionError) -> JsonObject:
    body = server_frames.json_text(server_frames.error_body(refusal))
    return {"statusCode": http_status(refusal), "body": body}


def _log_refusal(what: str, connection_id: str, refusal: ExecutionError) -> None:
    logger.warning(what, connection_id=connection_id, error_code=refusal.code, reason=refusal.message)


def _act(text: str, connection_id: str, account_id: str, *, batched: bool) -> JsonObject | None:
    """Do what a frame asks for; return the frame that answers it, if the service did not send it already."""
    use = services()
    frame = parse_client_frame(text, use.access.messages)
    answer: JsonObject | None = None
    match frame.fields:
        case OrderFields() as fields if frame.is_dry_run:
            shown = previews.preview(fields, account_id)
            answer = {"type": "preview", "requestId": frame.request_id, **shown}
        case OrderFields() as fields:
            order = use.submit_orders.submit(
                fields.terms(tokens_for(use, account_id, fields.named_tokens)),
                account_id,
                connection_id=connection_id,
                request_id=frame.request_id,
                is_acknowledgement_deferred=batched,
            )
            # Of a batched connection it travels with the order's first events.
            if not batched:
                answer = server_frames.accepted(frame.request_id, order)
        case SubmitBatchFields() | CancelAllFields() as fields:
            answer = several_orders.answer_frame(fields, account_id, connection_id, frame.request_id)
        case SwapFields() as fields:
            use.access.requests.admit(account_id, RequestKind.QUOTE)
            quote = use.quote_swaps.quote(
                swap_terms(fields, tokens_for(use, account_id, fields.named_tokens))
            )
            shown = use.event_views.routes.quote(quote.route, at=quote.at, valid_until=quote.valid_until)
            answer = {"type": "quote", "requestId": frame.request_id, **shown}
        case SubscribeFields() as fields:
            use.access.requests.admit(account_id, RequestKind.SUBSCRIBE)
            subscriber = Subscriber(connection_id, account_id)
            use.access.connections.check_subscriptions(connection_id)
            use.replay_orders.subscribe(
                subscriber, fields.order_id, after_seq=fields.after_seq, request_id=frame.request_id
            )
        case UnsubscribeFields() as fields:
            use.access.requests.admit(account_id, RequestKind.SUBSCRIBE)
            use.replay_orders.unsubscribe(
                Subscriber(connection_id, account_id), fields.order_id, request_id=frame.request_id
            )
        case CancelFields() | AmendFields() as fields:
            _change(fields, connection_id, account_id, batched=batched, request_id=frame.request_id)
        case PingFields():
            use.access.requests.admit(account_id, RequestKind.PING)
            answer = server_frames.pong(frame.request_id)
    return answer


def _change(
    fields: CancelFields | AmendFields,
    connection_id: str,
    account_id: str,
    *,
    batched: bool,
    request_id: str | None,
) -> None:
    use, order_id = services(), fields.order_id
    if isinstance(fields, CancelFields):
        use.access.requests.admit(account_id, RequestKind.CANCEL)
        use.cancel_orders.cancel(
            account_id, order_id, connection_id=connection_id, batched=batched, request_id=request_id
        )
    else:
        use.access.requests.admit(account_id, RequestKind.AMEND)
        use.amend_orders.amend(
            account_id,
            order_id,
            fields.changes,
            if_seq=fields.if_seq,
            connection_id=connection_id,
            batched=batched,
            request_id=request_id,
        )
    use.observer.flush()


def _forget(connection_id: str) -> None:
    try:
        services().subscriptions.forget([connection_id])
    except RetryableError as fault:
        # A frame to it will answer 410, or the sweep finds it.
        logger.warning("connection not forgotten", connection_id=connection_id, reason=fault.message)
    except Exception:  # noqa: BLE001  # the outermost edge
        logger.exception("defect", doing="forgetting a connection", connection_id=connection_id)


def _act_on_url(query: Mapping[str, str], connection_id: str, account_id: str) -> None:
    use = services()
    if query.keys() & ORDER_FIELDS:
        if is_dry_by_query(query):
            raise FieldError("dryRun", "does not go with a connection URL: submit the order in a frame")
        fields = order_fields_from_query(query)
        terms = fields.terms(tokens_for(use, account_id, fields.named_tokens))
        use.submit_orders.submit(terms, account_id, connection_id=connection_id, is_connecting=True)
        return
    check_names(query)
    if "orderId" in query:
        _subscribe_from_url(use, query, connection_id, account_id)


def _subscribe_from_url(use: Services, query: Mapping[str, str], connection_id: str, account_id: str) -> None:
    fields = subscription_from_query(query)
    assert fields.order_id is not None
    use.access.orders.admit_subscription(account_id)
    subscription = SubscribeMessage(
        connection_id=connection_id,
        account_id=account_id,
        order_id=fields.order_id,
        after_seq=fields.after_seq,
        is_new=True,
    )
    use.queue.send([QueueMessage(render_message(subscription), account_id)])
