"""The operator's routes: what of the engine is of no single account. A token needs the scope for it."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from chalice.app import Request, Response
from pydantic import Field

from chalicelib.bootstrap import services
from chalicelib.domain.errors import FieldError, RetryableError
from chalicelib.handlers import operator_views as views
from chalicelib.handlers.identity import http_operator
from chalicelib.handlers.rest_edge import answer, http_errors
from chalicelib.handlers.url_query import read_members, read_query
from chalicelib.logs import logger
from chalicelib.services.intake.rates import RequestKind
from chalicelib.wire.cursors import cursor_of, read_cursor
from chalicelib.wire.fields import PrintableText, WholeNumber, WireModel, validated

LETTERS_PER_PAGE_MAX: Final = 100
MESSAGE_ID_LENGTH_MAX: Final = 128
_ACCEPTED: Final = 202


class _LettersQuery(WireModel):
    limit: Annotated[WholeNumber, Field(ge=1, le=LETTERS_PER_PAGE_MAX)] = 20
    cursor: PrintableText | None = None


@http_errors
def health(request: Request) -> Response:
    """Return how orders fare now, and what waits; what cannot be had is left out, with the reason."""
    _admit(request)
    read_query(request)
    use = services()
    body: dict[str, Any] = {"at": views.moment(use.clock.now())}
    parts: dict[str, Callable[[], Any]] = {
        "queues": lambda: views.queues(use.queue_depths.depths()),
        "recent": lambda: views.recent(use.operations.recent()),
        "unfinished": lambda: views.unfinished(use.operations.unfinished()),
        "consumers": lambda: views.consumers(use.operations.consumers()),
        "connections": use.operations.connections,
        "chain": lambda: views.chain(use.check_chain()),
    }
    problems: dict[str, str] = {}
    for name, part in parts.items():
        try:
            body[name] = part()
        except RetryableError as fault:
            logger.warning("part of the health is unknown", check=name, reason=fault.message)
            body[name] = None
            problems[name] = fault.message
    return answer(body | {"problems": problems})


@http_errors
def dead_letters(request: Request) -> Response:
    """Return a page of archived dead letters, newest first."""
    _admit(request)
    query = validated(_LettersQuery, read_members(request, "limit", "cursor"))
    before = None if query.cursor is None else read_cursor(query.cursor, str)
    found = services().operations.dead_letters(limit=query.limit + 1, before=before)
    page = found[: query.limit]
    is_more = len(found) > query.limit
    cursor = cursor_of(page[-1].archived_at, page[-1].message_id) if is_more else None
    return answer({"deadLetters": [views.letter(each) for each in page], "nextCursor": cursor})


@http_errors
def redrive(request: Request, message_id: str) -> Response:
    """Send an archived message's order into the queue again, where that is right."""
    account_id = _admit(request)
    if not 1 <= len(message_id) <= MESSAGE_ID_LENGTH_MAX or not message_id.isprintable():
        raise FieldError("messageId", f"must be 1 to {MESSAGE_ID_LENGTH_MAX} printable characters")
    order_id = services().redrive_dead_letters.redrive(message_id, operator=account_id)
    return answer({"messageId": message_id, "orderId": str(order_id)}, _ACCEPTED)


@http_errors
def audit(request: Request) -> Response:
    """Return the audit's rules, and when each last ran and held here."""
    _admit(request)
    read_query(request)
    return answer({"rules": [views.rule(each) for each in services().audit_rules.results()]})


@http_errors
def run_rule(request: Request, rule_id: str) -> Response:
    """Check one rule now; return how it ended."""
    _admit(request)
    return answer(views.rule(services().audit_rules.run(rule_id)))


def _admit(request: Request) -> str:
    account_id = http_operator(request.headers)
    services().access.requests.admit(account_id, RequestKind.OPERATE)
    return account_id
