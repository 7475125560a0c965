"""The published documents say what the code does."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from chalice import Chalice
from pydantic import TypeAdapter

from chalicelib.domain.errors import Code
from chalicelib.domain.statuses import FINAL
from chalicelib.logs import logger
from chalicelib.wire import answers, rest_answers
from chalicelib.wire.order_fields import order_fields_from_query
from infra.specs.client_models import PATH
from infra.specs.documents import DIRECTORY, documents
from infra.specs.error_table import MEANINGS
from tests.security.secured_app import SecuredApp, an_account, ask, receive
from tests.support.instance import REPOSITORY

PUBLISHED = {
    path.name: path
    for path in (
        DIRECTORY / "openapi.json",
        DIRECTORY / "asyncapi.json",
        DIRECTORY / "postman.json",
        DIRECTORY / "errors.md",
        PATH,
    )
}
FRAMES: TypeAdapter[answers.Answer] = TypeAdapter(
    answers.AcceptedFrame
    | answers.OrderEventFrame
    | answers.QuoteFrame
    | answers.SubscribedFrame
    | answers.UnsubscribedFrame
    | answers.PongFrame
    | answers.ErrorFrame
)


@pytest.fixture(scope="module")
def generated() -> Mapping[Path, str]:
    return documents()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_document_is_the_one_that_the_code_generates(
    name: str, generated: Mapping[Path, str]
) -> None:
    assert published(name) == generated[PUBLISHED[name]], "run ./orderflow specs"


def test_every_document_that_is_generated_is_compared(generated: Mapping[Path, str]) -> None:
    assert set(generated) == set(PUBLISHED.values())


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
def test_every_reference_leads_somewhere(name: str) -> None:
    document = json.loads(published(name))
    references = set(_references(document))
    assert references
    for reference in references:
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_connection_url_takes_every_member_of_an_order_as_published() -> None:
    channel = json.loads(published("asyncapi.json"))["channels"]["orders"]
    names = set(channel["bindings"]["ws"]["query"]["properties"])
    said = {
        "inputToken": "SOL",
        "outputToken": "USDC",
        "amount": "1",
        **{name: "1" for name in names if name.startswith("sniper.")},
        "trigger.price": "140",
        "trigger.when": "below",
        "trigger.source": "mark",
        "trigger.confirmations": "3",
        "trigger.ifAlreadyMet": "execute",
    }
    assert set(said) <= names
    assert {name.partition(".")[0] for name in said} & names == {"inputToken", "outputToken", "amount"}
    fields = order_fields_from_query(said)
    assert fields.trigger is not None
    assert fields.sniper is not None


def test_every_error_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Code)


@pytest.fixture
def app() -> Iterator[Chalice]:
    """The app; Chalice would keep the engine's log to errors from here on,
    where stdout is not the process's own.
    """
    level = logger.log_level
    from chalice_app.app import app

    yield app
    logger.setLevel(level)


def test_every_route_is_described_with_its_methods(app: Chalice) -> None:
    described = json.loads(published("openapi.json"))["paths"]
    methods = {
        path: {method.upper() for method in item if method != "parameters"}
        for path, item in described.items()
    }
    assert methods == {
        re.sub(r"_(\w)", lambda each: each[1].upper(), path): set(by_method)
        for path, by_method in app.routes.items()
    }


def test_frames_on_the_wire_are_those_described(secured_app: SecuredApp) -> None:
    seen: set[str] = set()
    with secured_app.socket(an_account("alice")) as socket:
        for frame in (
            {"action": "ping"},
            {"action": "quote", "side": "buy", "amount": "1"},
            {"action": "subscribe"},
            {"action": "submit", "side": "sell", "amount": "-1"},
            {"action": "submit", "side": "sell", "amount": "2.5"},
        ):
            answer = ask(socket, **frame)
            seen.add(type(FRAMES.validate_json(json.dumps(answer))).__name__)
        status = None
        while status != "confirmed":
            event = receive(socket, lambda frame: frame["type"] == "order")
            status = answers.OrderEventFrame.model_validate_json(json.dumps(event)).status
        parted = ask(socket, action="unsubscribe", orderId=answer["orderId"])
        answers.UnsubscribedFrame.model_validate_json(json.dumps(parted))
    assert seen == {"PongFrame", "QuoteFrame", "SubscribedFrame", "ErrorFrame", "AcceptedFrame"}


def test_batches_on_the_wire_are_those_described(secured_app: SecuredApp) -> None:
    frames: list[answers.AcceptedFrame | answers.OrderEventFrame] = []
    with secured_app.socket(an_account("alice"), "?batch=1") as socket:
        socket.send('{"side":"sell","amount":"2.5"}')
        while not any(isinstance(each, answers.OrderEventFrame) and each.status in FINAL for each in frames):
            frames += answers.BatchFrame.model_validate_json(socket.recv()).frames
    assert isinstance(frames[0], answers.AcceptedFrame)
    assert len(frames) == 7


def test_bodies_on_the_wire_are_those_described(secured_app: SecuredApp) -> None:
    account = an_account("alice")
    body = {"side": "sell", "amount": "0.01"}
    accepted = rest_answers.OrderAccepted.model_validate_json(
        secured_app.rest(account, "POST", "/orders", json=body).text
    )
    for path, model in (
        (f"/orders/{accepted.order_id}", rest_answers.OrderBody),
        (f"/orders/{accepted.order_id}/events", rest_answers.OrderEvents),
        ("/orders", rest_answers.OrderPage),
        ("/venues", rest_answers.Venues),
        ("/markets", rest_answers.Markets),
        ("/health", rest_answers.Health),
        ("/health/ready", rest_answers.Readiness),
        ("/orders/not-an-id", answers.ErrorBody),
    ):
        model.model_validate_json(secured_app.rest(account, "GET", path).text)
    answers.Quote.model_validate_json(secured_app.rest(account, "POST", "/quotes", json=body).text)


def published(name: str) -> str:
    return (REPOSITORY / PUBLISHED[name]).read_text(encoding="utf-8")


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for member in value.values():
            yield from _references(member)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
