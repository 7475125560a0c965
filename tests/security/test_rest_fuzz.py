"""Hostile requests for every operation of the published OpenAPI document: answered as it says, never with a fault."""

import json
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from infra.specs.answers import ErrorBody
from infra.specs.openapi import openapi
from tests.fuzz.hostile import TEXTS, Hostile
from tests.security.front_door import PATIENCE_S, FrontDoor, an_account

DOCUMENT = openapi()
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
}
REQUESTS_EACH = 12


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_answers_hostile_requests_as_described(front_door: FrontDoor, name: str) -> None:
    method, path, operation = OPERATIONS[name]
    headers = front_door.bearer(an_account("mallory"))
    with httpx.Client(base_url=front_door.instance.rest_url, timeout=PATIENCE_S) as client:
        for request in _requests(path, operation):
            answer = client.request(method, **{**request, "headers": headers | request["headers"]})
            described = operation["responses"].get(str(answer.status_code))
            # A path that no route matches is the gateway's to refuse.
            assert described or answer.status_code in {403, 404, 405}, (request, answer.status_code)
            assert answer.status_code < 500
            if described and "content" in described and answer.status_code >= 400:
                ErrorBody.model_validate_json(answer.text)


def _requests(path: str, operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    source, dice = Hostile(seed=len(path)), random.Random(path)
    for _ in range(REQUESTS_EACH):
        texts = [text.encode(errors="replace").decode() for text in TEXTS]
        made = {
            parameter["name"]: dice.choice(texts)
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query" and dice.random() < 0.7
        }
        order_id = quote(dice.choice(texts), safe="") or "x"
        body = source.message().encode(errors="replace") if "requestBody" in operation else None
        key = (
            {"Idempotency-Key": dice.choice(("", "a", "k" * 65, "{}"))}
            if body and dice.random() < 0.3
            else {}
        )
        yield {
            "url": path.replace("{orderId}", order_id),
            "params": made,
            "content": body,
            "headers": {"Content-Type": dice.choice(("application/json", "text/plain"))} | key
            if body
            else key,
        }


def test_body_that_is_not_utf_8_is_refused(front_door: FrontDoor) -> None:
    headers = front_door.bearer(an_account("mallory")) | {"Content-Type": "application/json"}
    url = f"{front_door.instance.rest_url}/orders"
    answer = httpx.post(url, content=b'{"amount":"\xff\xfe"}', headers=headers, timeout=PATIENCE_S)
    assert answer.status_code == 400


def test_body_beyond_the_limit_is_413(front_door: FrontDoor) -> None:
    answer = front_door.rest(
        an_account("mallory"), "POST", "/orders", content=json.dumps({"a": "x" * 40_000})
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "MESSAGE_TOO_LARGE")
