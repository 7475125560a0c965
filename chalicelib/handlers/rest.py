"""The REST routes: parse, call one service, translate errors, serialise."""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Annotated, Any, Final
from uuid import UUID

from chalice.app import Request, Response
from pydantic import Field

from chalicelib.bootstrap import services
from chalicelib.config import ChainName
from chalicelib.domain.errors import (
    FieldError,
    MigrationsMissingError,
    RetryableError,
    UnknownOutcomeError,
)
from chalicelib.domain.statuses import OrderStatus
from chalicelib.handlers import previews
from chalicelib.handlers.identity import http_account
from chalicelib.handlers.named_tokens import tokens_for
from chalicelib.handlers.rest_edge import answer, http_errors
from chalicelib.handlers.url_query import (
    is_dry_run,
    read_members,
    read_query,
    refuse_dry_run,
    refuse_in_url,
)
from chalicelib.logs import logger
from chalicelib.services.intake.rates import RequestKind as Asked
from chalicelib.services.isolation import one_by_one
from chalicelib.services.ports import OrderView
from chalicelib.wire.client_frames import CancelFields, cancel_fields
from chalicelib.wire.fields import OrderId, PrintableText, WholeNumber, WireModel, validated
from chalicelib.wire.header_text import utf8_header
from chalicelib.wire.json_text import JsonObject, parse_object
from chalicelib.wire.known_names import plain_words
from chalicelib.wire.market_views import markets_view
from chalicelib.wire.order_fields import OrderFields, SwapFields, swap_terms
from chalicelib.wire.order_views import order_view
from chalicelib.wire.resting_fields import meant_fields, names_of
from chalicelib.wire.resting_frames import OF_ORDERS, AmendFields, amend_fields
from chalicelib.wire.venue_views import chain_health_view, venues_view

_IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_OF_A_CHANGE: Final = plain_words(names_of(AmendFields))
_NOT_IN_URL: Final = (
    "is not read in the URL: the order is the path's, and what is to change stands in the body"
)


class _OrderPath(WireModel):
    order_id: OrderId


class _PageQuery(WireModel):
    status: OrderStatus | None = None
    limit: Annotated[WholeNumber, Field(ge=1)] | None = None
    cursor: PrintableText | None = None


class _EventsQuery(WireModel):
    after_seq: Annotated[WholeNumber, Field(ge=0)] = 0


@http_errors
def submit(request: Request) -> Response:
    """Accept an order; 202 means that it is in the queue and will reach a final status.

    200 answers a dry run.
    """
    use, account_id = services(), _account(request)
    members = _with_idempotency_key(parse_object(request.raw_body, use.access.messages), request)
    refuse_in_url(request, OF_ORDERS)
    fields = meant_fields(OrderFields, members)
    if is_dry_run(request, members):
        return answer(previews.preview(fields, account_id))
    order = use.submit_orders.submit(
        fields.terms(tokens_for(use, account_id, fields.named_tokens)), account_id
    )
    accepted = {
        "orderId": str(order.order_id),
        "clientOrderId": order.terms.client_order_id,
        "status": "accepted",
    }
    return answer(accepted, 202)


@http_errors
def order(request: Request, order_id: str) -> Response:
    """Return an order as it stands."""
    account_id = _reader(request)
    read_query(request)
    view = services().read_orders.order(account_id, _order_id(order_id))
    _learn_mints([view])
    return answer(_order_body(view))


@http_errors
def orders(request: Request) -> Response:
    """Return a page of orders, newest first."""
    account_id = _reader(request)
    query = validated(_PageQuery, read_members(request, "status", "limit", "cursor"))
    page = services().read_orders.orders(
        account_id, status=query.status, limit=query.limit, cursor=query.cursor
    )
    _learn_mints(page.views)
    shown = one_by_one(page.views, _order_body, _log_unshown)
    return answer({"orders": shown, "nextCursor": page.next_cursor})


@http_errors
def events(request: Request, order_id: str) -> Response:
    """Return an order's events, each as its frame."""
    account_id = _reader(request)
    query = validated(_EventsQuery, read_members(request, "afterSeq"))
    use = services()
    found, since = use.read_orders.events(account_id, _order_id(order_id), after_seq=query.after_seq)
    client_order_id = found.terms.client_order_id
    return answer({"events": [use.event_views.frame(client_order_id, event) for event in since]})


@http_errors
def cancel(request: Request, order_id: str) -> Response:
    """Cancel an order that was not sent to a venue yet; return it as it stands then."""
    use, account_id = services(), _account(request)
    members = parse_object(request.raw_body, use.access.messages) if request.raw_body else {}
    refuse_dry_run(request, members)
    refuse_in_url(request, _OF_A_CHANGE, _NOT_IN_URL)
    canceled = cancel_fields(CancelFields, _with_path(order_id, members)).order_id
    use.access.requests.admit(account_id, Asked.CANCEL)
    use.cancel_orders.cancel(account_id, canceled)
    use.observer.flush()
    return _as_it_stands(account_id, canceled, "canceled")


@http_errors
def amend(request: Request, order_id: str) -> Response:
    """Give an order that rests other terms; return it as it stands then."""
    use, account_id = services(), _account(request)
    members = parse_object(request.raw_body, use.access.messages)
    refuse_dry_run(request, members)
    refuse_in_url(request, _OF_A_CHANGE, _NOT_IN_URL)
    fields = amend_fields(AmendFields, _with_path(order_id, members))
    use.access.requests.admit(account_id, Asked.AMEND)
    use.amend_orders.amend(account_id, fields.order_id, fields.changes, if_seq=fields.if_seq)
    use.observer.flush()
    return _as_it_stands(account_id, fields.order_id, "amended")


@http_errors
def quote(request: Request) -> Response:
    """Return what an order would get now; nothing is stored."""
    use, account_id = services(), _account(request)
    use.access.requests.admit(account_id, Asked.QUOTE)
    refuse_in_url(request, plain_words(names_of(SwapFields)))
    fields = meant_fields(SwapFields, parse_object(request.raw_body, use.access.messages))
    found = use.quote_swaps.quote(swap_terms(fields, tokens_for(use, account_id, fields.named_tokens)))
    return answer(use.event_views.routes.quote(found.route, at=found.at, valid_until=found.valid_until))


@http_errors
def venues(request: Request) -> Response:
    """Return the venues with their pools, and the tokens."""
    _reader(request)
    read_query(request)
    use = services()
    answers = use.quote_swaps.venues()
    use.mints.learn_if_possible({token for pool in answers.pools for token in pool.tokens})
    return answer(
        venues_view(answers.venues, answers.pools, answers.problems, use.tokens, refused=answers.refused)
    )


@http_errors
def markets(request: Request) -> Response:
    """Return every pair with its mark and its best rates."""
    use, account_id = services(), _account(request)
    # It computes a rate for each pool and path, as a quote does.
    use.access.requests.admit(account_id, Asked.QUOTE)
    read_query(request)
    return answer(markets_view(use.read_markets.read(), use.tokens))


@http_errors
def health() -> Response:
    """Say that the function runs; touches nothing."""
    return answer({"status": "ok"})


@http_errors
def ready() -> Response:
    """Say whether the database, the queue and the chain's nodes answer, there are pools, and triggers see
    prices.
    """
    use = services()
    shown: JsonObject = {}

    def check_database() -> None:
        try:
            use.check_database()
        except MigrationsMissingError as error:
            shown["missingMigrations"] = list(error.missing)
            raise

    def check_chain() -> None:
        if (health := use.check_chain()) is not None:
            shown.update(chain_health_view(health))

    named = {"database": check_database, "queue": use.check_queue}
    if use.settings.chain is ChainName.SOLANA:  # the simulated one is in the database
        named["chain"] = check_chain
    checks = {name: _checked(name, check) for name, check in named.items()}
    is_ready = set(checks.values()) == {"ok"}
    if is_ready and use.settings.chain is ChainName.SIMULATED and _checked("market", check_chain) != "ok":
        checks["market"], is_ready = "unavailable", False
    # A gap in the prices holds triggers back, and nothing else.
    checks["prices"] = _prices() if is_ready else "unknown"
    status = "ok" if is_ready else "unavailable"
    return answer({"status": status, **checks, **shown}, 200 if is_ready else 503)


def _checked(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except RetryableError as fault:
        logger.warning("not ready", check=name, reason=fault.message)
        return "unavailable"
    return "ok"


def _prices() -> str:
    try:
        return "ok" if services().has_marks() else "missing"
    except RetryableError as fault:
        logger.warning("not ready", check="prices", reason=fault.message)
        return "missing"


def _as_it_stands(account_id: str, order_id: UUID, done: str) -> Response:
    try:
        view = services().read_orders.order(account_id, order_id)
        _learn_mints([view])
        return answer(_order_body(view))
    except RetryableError as fault:
        # It is done, and a passing fault would say that nothing was.
        message = f"the order was {done}, and cannot be shown now: ask for it"
        raise UnknownOutcomeError(message, order_id) from fault


def _learn_mints(views: Iterable[OrderView]) -> None:
    """Have the decimals known of what orders name; an amount for which they are not is not shown."""
    services().mints.learn_if_possible(
        {name for view in views for name in view.state.order.terms.named_tokens}
    )


def _order_body(view: OrderView) -> JsonObject:
    use = services()
    return order_view(view.state, use.event_views.fields(view.last_event), view.updated_at, use.tokens)


def _log_unshown(view: OrderView, error: Exception) -> None:
    logger.error("defect", exc_info=error, order_id=str(view.state.order.order_id), doing="listing orders")


def _account(request: Request) -> str:
    return http_account(request.headers)


def _reader(request: Request) -> str:
    account_id = _account(request)
    services().access.requests.admit(account_id, Asked.READ)
    return account_id


def _order_id(text: str) -> UUID:
    return validated(_OrderPath, {"orderId": text}).order_id


def _with_path(order_id: str, members: dict[str, Any]) -> dict[str, Any]:
    """Return the members of a request about one order; the order is the path's, and a body names no other."""
    named, said = str(_order_id(order_id)), members.get("orderId")
    if said is not None and (not isinstance(said, str) or said.lower() != named):
        raise FieldError("orderId", "must be the order of the path, if it is given")
    return members | {"orderId": named}


def _with_idempotency_key(members: dict[str, Any], request: Request) -> dict[str, Any]:
    text = request.headers.get(_IDEMPOTENCY_KEY)
    if text is None:
        return members
    # Of several, ``headers`` has the last alone; a retry through another gateway might count the first.
    headers: dict[str, list[str]] = request.to_original_event().get("multiValueHeaders") or {}
    keys = [said for name, said in headers.items() if name.lower() == _IDEMPOTENCY_KEY.lower()]
    if len(set(chain.from_iterable(keys))) > 1:
        raise FieldError(_IDEMPOTENCY_KEY, "must have one value")
    key = utf8_header(_IDEMPOTENCY_KEY, text)
    if members.get("clientOrderId", key) != key:
        raise FieldError("clientOrderId", "must equal the Idempotency-Key header if both are given")
    return members | {"clientOrderId": key}
