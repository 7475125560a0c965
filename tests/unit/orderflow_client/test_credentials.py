"""Tokens: fresh ones for each connection, and never in the clear to another machine."""

import asyncio

import pytest

from orderflow_client.addresses import addresses
from orderflow_client.credentials import Credentials
from orderflow_client.errors import DisconnectedError

LOCAL = addresses("http://127.0.0.1:3000")


def test_function_is_asked_for_a_token_each_time() -> None:
    tokens = iter("ab")

    async def fresh() -> str:
        return next(tokens)

    async def twice() -> list[dict[str, str]]:
        credentials = Credentials(fresh, LOCAL)
        return [await credentials.headers(60) for _ in range(2)]

    assert asyncio.run(twice()) == [{"Authorization": "Bearer a"}, {"Authorization": "Bearer b"}]


def test_function_that_makes_no_token_is_told_without_its_words() -> None:
    def fails() -> str:
        raise KeyError("the secret")

    def makes_none() -> str:
        return None  # type: ignore[return-value]  # what a caller may do all the same

    with pytest.raises(DisconnectedError, match=r"raised KeyError$") as caught:
        asyncio.run(Credentials(fails, LOCAL).headers(60))
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(DisconnectedError, match=r"returned NoneType$"):
        asyncio.run(Credentials(makes_none, LOCAL).headers(60))
    with pytest.raises(DisconnectedError, match=r"returned an empty one$"):
        asyncio.run(Credentials(lambda: "", LOCAL).headers(60))


@pytest.mark.parametrize("none", [None, ""])
def test_no_token_is_no_header(none: str | None) -> None:
    assert asyncio.run(Credentials(none, LOCAL).headers(60)) == {}


@pytest.mark.parametrize("text", ["secret\n", "Bearer secret", "sécret"])
def test_text_that_no_header_may_carry_is_refused_at_once_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="the token has a space, a line's end") as caught:
        Credentials(text, LOCAL)
    assert "cret" not in str(caught.value)
    with pytest.raises(DisconnectedError, match="the token has a space, a line's end") as told:
        asyncio.run(Credentials(lambda: text, LOCAL).headers(60))
    assert "cret" not in str(told.value)


def test_token_of_another_type_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="a token is text, or a function that returns it, not int"):
        Credentials(5, LOCAL)  # type: ignore[arg-type]  # what a caller may do all the same


def test_token_is_not_sent_in_the_clear_to_another_machine() -> None:
    with pytest.raises(ValueError, match="TLS"):
        Credentials("secret", addresses("ws://trading.example/ws"))
    Credentials("secret", addresses("wss://trading.example/ws"))
