"""How a function's result becomes JSON."""

from typing import Any

import pytest

from chalice_offline.invocation import Raised
from chalice_offline.lambda_host.host import LambdaHost
from tests.unit.chalice_offline.lambda_host.bench import Bench, payload


def test_result_that_is_not_json_is_a_marshal_error(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        outcome = await host.invoke("unserialisable", {})
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Runtime.MarshalError"
        assert "object is not JSON serializable" in outcome.error_message

    bench.run(scenario)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ("exponent", 100.0),
        ("row", {"price": 2}),
        ("bytes", {"x": "ü", "k": 1}),
        ("document", {"x": [1]}),
        ("no_document", "plain"),
        ("keys", {"7": 2, "null": 3, "true": 4}),
        ("surrogate", "\ud800"),
    ],
)
def test_result_is_serialised_as_lambda_does(bench: Bench, of: str, expected: Any) -> None:
    async def scenario(host: LambdaHost) -> None:
        assert payload(await host.invoke("result", {"of": of})) == expected

    bench.run(scenario)


def test_numbers_that_json_lacks_pass(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        exact = payload(await host.invoke("result", {"of": "decimal"}))
        assert (exact["x"], str(exact["n"])) == (1.1, "[nan]")
        assert str(payload(await host.invoke("result", {"of": "float"}))) == "{'x': 1.5, 'n': nan, 'i': -inf}"

    bench.run(scenario)


@pytest.mark.parametrize("of", ["datetime", "set", "object", "uuid", "circle"])
def test_result_without_a_form_in_json_is_a_marshal_error_and_the_environment_goes_on(
    bench: Bench, of: str
) -> None:
    async def scenario(host: LambdaHost) -> None:
        outcome = await host.invoke("result", {"of": of})
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Runtime.MarshalError"
        assert outcome.error_message.startswith("Unable to marshal response: ")
        assert payload(await host.invoke("result", {"of": "exponent"})) == 100

    bench.run(scenario)


def test_result_beyond_six_megabytes_fails_its_invocation_alone(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        outcome = await host.invoke("result", {"of": "huge"})
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Function.ResponseSizeTooLarge"
        assert len(payload(await host.invoke("result", {"of": "large"}))) == 6 * 1024 * 1024

    bench.run(scenario)
