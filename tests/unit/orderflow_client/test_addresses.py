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
    [
        "127.0.0.1:3000",
        "ftp://a.example",
        "https://",
        "https://a.example:port",
        "https://a.example:65536",
        "https://[::1",
        "https://u:p@a.example",
        "https://a.example?token=x",
        "https://a.example#token",
    ],
)
def test_address_that_is_none_or_says_more_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the engine's address must"):
        addresses(url)


@pytest.mark.parametrize(
    ("url", "rest_url", "is_local"),
    [
        ("http://localhost:3000", None, True),
        ("http://engine.localhost", None, True),
        ("http://[::1]:3000", None, True),
        ("http://127.8.8.8", None, True),
        ("http://127.0.0.1:3000", "http://localhost:3000/api", True),
        ("http://127.0.0.1:3000", "http://a.example/api", False),
        ("http://a.example", "http://127.0.0.1:3000/api", False),
        ("http://localhost.example", None, False),
        ("http://notlocalhost", None, False),
        ("http://0.0.0.0:3000", None, False),
        ("http://10.0.0.1", None, False),
    ],
)
def test_only_what_never_leaves_this_machine_is_local(
    url: str, rest_url: str | None, *, is_local: bool
) -> None:
    found = addresses(url, rest_url)
    assert found.is_local is is_local
    assert not found.is_secret


@pytest.mark.parametrize(
    ("url", "rest_url"),
    [("https://a.example", "http://b.example/api"), ("http://a.example", "https://b.example")],
)
def test_address_is_secret_only_if_both_are_reached_over_tls(url: str, rest_url: str) -> None:
    assert not addresses(url, rest_url).is_secret
