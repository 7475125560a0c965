"""Lambda's Invoke, asked by boto3."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from chalice_offline.invocation import Outcome, Raised, Returned, TimedOut
from tests.support.plain_http import NO_TLS
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway

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
            client = boto3.client(
                "lambda",
                endpoint_url=f"http://127.0.0.1:{gateway.port}",
                region_name="us-east-1",
                aws_access_key_id="KEY",
                aws_secret_access_key=secret,
                config=Config(retries={"total_max_attempts": 1}),
            )
            return await asyncio.to_thread(ask, client)

    return asyncio.run(scenario()), functions


def refusal(ask: Callable[[Any], Any], **options: Any) -> str:
    with pytest.raises(ClientError) as caught:
        asked(Returned(None), ask, **options)
    return str(caught.value.response["Error"]["Code"])


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
        (Raised("KeyError", "'tea'"), {"errorType": "KeyError", "errorMessage": "'tea'"}),
        (TimedOut(3), {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 3.00 seconds"}),
    ],
)
def test_failure_of_a_function_is_told_in_a_successful_answer(
    outcome: Outcome, expected: dict[str, str]
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


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"FunctionName": "cake"}, "ResourceNotFoundException"),
        ({"FunctionName": "price", "Qualifier": "live"}, "ResourceNotFoundException"),
        ({"FunctionName": "price", "Payload": b"{"}, "InvalidRequestContentException"),
        (
            {"FunctionName": "price", "Payload": b'"' + b"x" * 6 * 1024 * 1024 + b'"'},
            "RequestTooLargeException",
        ),
    ],
)
def test_bad_request_is_refused_as_by_lambda(arguments: dict[str, Any], code: str) -> None:
    assert refusal(lambda client: client.invoke(**arguments)) == code


def test_other_operations_and_other_credentials_are_refused() -> None:
    assert refusal(lambda client: client.get_function(FunctionName="price")) == "UnknownOperationException"
    assert (
        refusal(lambda client: client.invoke(FunctionName="price"), secret="x") == "InvalidSignatureException"
    )


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
