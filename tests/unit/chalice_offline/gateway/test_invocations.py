"""Lambda's Invoke, asked by boto3."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from chalice_offline.gateway import Gateway
from chalice_offline.invocation import Outcome, Raised, Returned, TimedOut
from tests.support.plain_http import NO_TLS
from tests.unit.chalice_offline.gateway.fakes import SHORT_LIMITS, FakeFunctions, a_gateway

NAMES = {"shop-dev-price": "price", "price": "price"}
CREDENTIALS = {"KEY": "SECRET"}


def asked(
    outcome: Outcome, ask: Callable[[Any], Any], *, secret: str = CREDENTIALS["KEY"]
) -> tuple[Any, FakeFunctions]:
    """Return what a client gets of a gateway whose function ends so, and what the function was given."""
    functions = FakeFunctions(price=outcome)

    async def scenario() -> Any:
        async with a_gateway(
            functions, manifest={"deployed_names": NAMES}, credentials=CREDENTIALS
        ) as gateway:
            return await asyncio.to_thread(ask, a_client(gateway, secret=secret))

    return asyncio.run(scenario()), functions


def a_client(gateway: Gateway, *, secret: str = CREDENTIALS["KEY"]) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{gateway.port}",
        region_name="us-east-1",
        aws_access_key_id="KEY",
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


def refusal(ask: Callable[[Any], Any], **options: Any) -> tuple[int, str]:
    """Return status and code of the error that a client gets."""
    with pytest.raises(ClientError) as caught:
        asked(Returned(None), ask, **options)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], str(response["Error"]["Code"])


@pytest.mark.parametrize(
    "name",
    [
        "shop-dev-price",
        "price",
        "price:$LATEST",
        "000000000000:function:shop-dev-price",
        "arn:aws:lambda:us-east-1:000000000000:function:shop-dev-price",
    ],
)
def test_function_is_found_by_any_of_its_names_and_gets_the_payload(name: str) -> None:
    answer, functions = asked(
        Returned({"price": 3}), lambda client: client.invoke(FunctionName=name, Payload=b'{"name": "tea"}')
    )
    assert (answer["StatusCode"], json.loads(answer["Payload"].read())) == (200, {"price": 3})
    assert "FunctionError" not in answer
    assert answer["ResponseMetadata"]["RequestId"]
    assert functions.events == [("price", {"name": "tea"})]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (
            Raised("KeyError", "'tea'", "1-2", ("  File one\n", "  File two\n")),
            {
                "errorMessage": "'tea'",
                "errorType": "KeyError",
                "requestId": "1-2",
                "stackTrace": ["  File one\n", "  File two\n"],
            },
        ),
        (
            Raised("Runtime.ExitError", "Runtime exited"),
            {"errorMessage": "Runtime exited", "errorType": "Runtime.ExitError"},
        ),
        (TimedOut(3), {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 3.00 seconds"}),
    ],
)
def test_failure_of_a_function_is_told_in_a_successful_answer(
    outcome: Outcome, expected: dict[str, Any]
) -> None:
    answer, _ = asked(outcome, lambda client: client.invoke(FunctionName="price"))
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"].read()) == expected


def test_event_is_taken_at_once_and_a_dry_run_runs_nothing() -> None:
    def ask(client: Any) -> list[int]:
        return [
            client.invoke(FunctionName="price", InvocationType=kind)["StatusCode"]
            for kind in ("DryRun", "Event")
        ]

    statuses, functions = asked(Returned(None), ask)
    assert statuses == [204, 202]
    assert functions.events == [("price", {})]


def test_event_whose_function_fails_is_tried_twice_more() -> None:
    async def fails(_event: Any) -> Outcome:
        return Raised("KeyError", "'tea'")

    async def recovers(_event: Any) -> Outcome:
        return Raised("KeyError", "'tea'") if len(functions.events_of("price")) == 1 else Returned(None)

    functions = FakeFunctions(price=recovers, cake=fails)

    def ask(client: Any) -> None:
        for name in ("price", "cake"):
            client.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"name": "tea"}')

    async def scenario() -> None:
        limits = replace(SHORT_LIMITS, event_retries_s=(0.01, 0.02))
        async with a_gateway(
            functions,
            manifest={"deployed_names": {**NAMES, "cake": "cake"}},
            credentials=CREDENTIALS,
            limits=limits,
        ) as gateway:
            await asyncio.to_thread(ask, a_client(gateway))
            await functions.wait_for("cake", 3)

    asyncio.run(scenario())
    assert functions.events_of("price") == [{"name": "tea"}] * 2
    assert functions.events_of("cake") == [{"name": "tea"}] * 3


def test_event_that_waits_for_another_try_does_not_hold_up_a_stop() -> None:
    functions = FakeFunctions(price=Raised("KeyError", "'tea'"))

    async def scenario() -> None:
        async with a_gateway(
            functions,
            manifest={"deployed_names": NAMES},
            credentials=CREDENTIALS,
            shutdown_grace_s=3600.0,
            limits=replace(SHORT_LIMITS, event_retries_s=(3600.0,)),
        ) as gateway:
            ask = partial(a_client(gateway).invoke, FunctionName="price", InvocationType="Event")
            await asyncio.to_thread(ask)
            await functions.wait_for("price")

    asyncio.run(scenario())
    assert len(functions.events) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"FunctionName": "cake"}, 404, "ResourceNotFoundException"),
        ({"FunctionName": "price:of:tea"}, 404, "ResourceNotFoundException"),
        ({"FunctionName": "price:live"}, 404, "ResourceNotFoundException"),
        ({"FunctionName": "price", "Qualifier": "live"}, 404, "ResourceNotFoundException"),
        ({"FunctionName": "price", "Payload": b"{"}, 400, "InvalidRequestContentException"),
        ({"FunctionName": "price", "InvocationType": "Later"}, 400, "InvalidParameterValueException"),
        (
            {"FunctionName": "price", "Payload": b'"' + b"x" * 6 * 1024 * 1024 + b'"'},
            413,
            "RequestTooLargeException",
        ),
        (
            {"FunctionName": "price", "InvocationType": "Event", "Payload": b'"' + b"x" * 1024 * 1024 + b'"'},
            413,
            "RequestEntityTooLargeException",
        ),
    ],
)
def test_bad_request_is_refused_as_by_lambda(arguments: dict[str, Any], status: int, code: str) -> None:
    assert refusal(lambda client: client.invoke(**arguments)) == (status, code)


def test_other_operations_and_other_credentials_are_refused() -> None:
    unknown = refusal(lambda client: client.get_function(FunctionName="price"))
    assert unknown == (404, "UnknownOperationException")
    forged = refusal(lambda client: client.invoke(FunctionName="price"), secret="x")
    assert forged == (403, "InvalidSignatureException")


def test_answer_is_json_of_the_only_version() -> None:
    answer, _ = asked(Returned(3), lambda client: client.invoke(FunctionName="price"))
    assert answer["ExecutedVersion"] == "$LATEST"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/json"


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://127.0.0.1"}, {"Host": "evil.test"}])
def test_who_does_not_sign_and_web_pages_are_refused(headers: dict[str, str]) -> None:
    async def scenario() -> int:
        functions = FakeFunctions()
        manifest = {"deployed_names": NAMES}
        async with (
            a_gateway(functions, manifest=manifest, credentials=CREDENTIALS) as gateway,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", verify=NO_TLS) as http,
        ):
            answer = await http.post("/2015-03-31/functions/price/invocations", headers=headers)
            assert functions.events == []
            return answer.status_code

    assert asyncio.run(scenario()) == 403
