"""Why there is no plan."""

import pytest

from chalicelib.routing.errors import InsufficientLiquidityError, NoRouteError, RoutingError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            NoRouteError(input_token="A", output_token="B"),
            "no pool connects the tokens: input_token=A output_token=B",
        ),
        (
            InsufficientLiquidityError(input_token="A", output_token="B", amount=7),
            "the pools cannot fill amount=7: input_token=A output_token=B",
        ),
    ],
)
def test_error_names_the_tokens_and_what_was_asked_for(error: RoutingError, text: str) -> None:
    assert (str(error), error.input_token, error.output_token) == (text, "A", "B")
