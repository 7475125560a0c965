"""The operator's part of the REST API in OpenAPI."""

from typing import Any, Final

from pydantic import BaseModel

from chalicelib.handlers.operator import LETTERS_PER_PAGE_MAX, MESSAGE_ID_LENGTH_MAX
from chalicelib.wire import operator_answers
from infra.specs.operations import in_path, query, refusals, response

MODELS: Final[tuple[type[BaseModel], ...]] = (
    operator_answers.OperatorHealth,
    operator_answers.DeadLetters,
    operator_answers.Redriven,
    operator_answers.AuditRule,
    operator_answers.AuditRules,
)

_REFUSALS: Final = {
    "400": "A field breaks a rule.",
    "401": "The credential is missing, wrong or expired.",
    "403": "The credential lacks the scope orderflow:operator.",
    "404": "There is nothing of that name, or it is turned off.",
    "409": "The record is too large to be checked within a request, or the message may not be sent again.",
    "429": "OPERATOR_REQUESTS_PER_SECOND_MAX is reached.",
    "503": "Try again later.",
}


def operator_paths() -> dict[str, Any]:
    """Return the paths; each needs the operator's scope."""
    cursor = {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[A-Za-z0-9_-]+$"}
    limit = {"type": "integer", "minimum": 1, "maximum": LETTERS_PER_PAGE_MAX, "default": 20}
    letters = _operation(
        "deadLetters", "Archived dead letters, newest first", operator_answers.DeadLetters, "400 503"
    )
    letters["parameters"] = [query("limit", limit), query("cursor", cursor)]
    health = _operation(
        "operatorHealth", "How orders fare now, and what waits", operator_answers.OperatorHealth, "400"
    )
    rules = _operation(
        "auditRules", "The audit's rules, and when each last held", operator_answers.AuditRules, "400 503"
    )
    run = _operation("runAuditRule", "Check one rule now", operator_answers.AuditRule, "404 409 503")
    redrive = _operation(
        "redriveDeadLetter",
        "Send an archived message's order into the queue again",
        operator_answers.Redriven,
        "400 404 409 503",
        success="202",
    )
    message_id = in_path("messageId", {"type": "string", "minLength": 1, "maxLength": MESSAGE_ID_LENGTH_MAX})
    rule_id = in_path("ruleId", {"type": "string", "minLength": 1})
    return {
        "/metrics": {"get": _metrics()},
        "/operator/health": {"get": health},
        "/operator/dead-letters": {"get": letters},
        "/operator/dead-letters/{messageId}/redrive": {"parameters": [message_id], "post": redrive},
        "/operator/audit": {"get": rules},
        "/operator/audit/{ruleId}": {"parameters": [rule_id], "post": run},
    }


def _metrics() -> dict[str, Any]:
    shown = {
        "description": "The numbers.",
        "content": {"application/openmetrics-text": {"schema": {"type": "string"}}},
    }
    return {
        "operationId": "metrics",
        "summary": "The operator's numbers in OpenMetrics; off unless METRICS=1",
        "responses": {"200": shown, **refusals("404", _REFUSALS)},
    }


def _operation(
    name: str, summary: str, answer: type[BaseModel], refused: str, *, success: str = "200"
) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {success: response("Done.", answer), **refusals(refused, _REFUSALS)},
    }
