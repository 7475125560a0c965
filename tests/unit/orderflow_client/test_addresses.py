"""Both addresses, from the one that a caller gives."""

import pytest

from orderflow_client.addresses import addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:3000",
        "http://127.0.0.1:3000/",
        "ws://127.0.0.1:3000/ws",
        "http://127.0.0.1:3000/api",
    ],
)
def test_either_address_gives_both(url: str) -> None:
    found = addresses(url)
    assert (found.websocket, found.rest) == ("ws://127.0.0.1:3000/ws", "http://127.0.0.1:3000/api")
    assert found.is_local
    assert not found.is_secret


def test_two_hosts_keep_their_own_addresses() -> None:
    found = addresses("wss://a.example/ws", "https://b.example/api/")
    assert (found.websocket, found.rest) == ("wss://a.example/ws", "https://b.example/api")
    assert found.is_secret
    assert not found.is_local


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:3000", "ftp://a.example", "https://u:p@a.example", "https://a.example?token=x", "https://"],
)
def test_address_that_is_none_or_says_more_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the engine's address must"):
        addresses(url)
