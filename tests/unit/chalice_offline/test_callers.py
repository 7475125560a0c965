"""Which requests a server on loopback takes for those of programs, or of its own pages."""

import pytest

from chalice_offline.callers import (
    Callers,
    by_name,
    is_loopback_host,
    is_made_by_a_browser,
    is_surely_a_programs,
    own_origins,
)

CALLERS = Callers(
    own_origins("127.0.0.1", 3000), frozenset({"app.test"}), frozenset({"http://localhost:5173"})
)
HERE = "127.0.0.1:3000"


def refusal(*headers: tuple[str, str]) -> str | None:
    return CALLERS.refusal([(name.encode(), value.encode("latin-1")) for name, value in headers])


@pytest.mark.parametrize(
    "host",
    [
        HERE,
        "localhost:3000",
        "LOCALHOST:3000",
        "localhost",
        "[::1]:3000",
        "127.0.0.1",
        "127.1.2.3:1",
        "app.test:9",
    ],
)
def test_loopback_and_allowed_hosts_are_taken(host: str) -> None:
    assert refusal(("Host", host)) is None


@pytest.mark.parametrize(
    "host",
    [
        *[
            "evil.example",
            "evil.example:3000",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "x.localhost",
            "",
        ],
        *[
            "localhost.",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "0.0.0.0:3000",
            "169.254.169.254",
        ],
        *[
            "127.0.0.1:3000, evil.example",
            "[::1",
            "::1",
            "[::1%25lo]",
            "127.0.0.1:x",
            "[fe80::1]",
            "127.0.0.1/x",
        ],
        *["localhost:3000\xe9", "2130706433", "0177.0.0.1", "127.1", "127.0.0.1:999999"],
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    assert refusal(("Host", host)) is not None


def test_request_without_a_host_or_with_two_is_refused() -> None:
    assert refusal() is not None
    assert refusal(("Host", HERE), ("host", "evil.example")) is not None
    assert refusal(("Host", HERE), ("host", HERE)) is not None


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:3000", HERE),
        ("http://localhost:3000", HERE),
        ("http://localhost:3000", "localhost:3000"),
        # The port is forwarded, or the name allowed: the page came from where its request goes.
        ("http://localhost:8080", "localhost:8080"),
        ("http://app.test", "app.test"),
        ("http://localhost:5173", HERE),
    ],
)
def test_own_and_allowed_origins_are_taken(origin: str, host: str) -> None:
    assert refusal(("Host", host), ("Origin", origin)) is None
    assert refusal(("Host", host), ("Origin", origin), ("Sec-Fetch-Site", "same-site")) is None


@pytest.mark.parametrize(
    "origin",
    [
        *["http://evil.example", "https://evil.example:3000", "null", "", "http://localhost:8080", "file://"],
        *[
            "https://127.0.0.1:3000",
            "http://127.0.0.1:30000",
            "http://127.0.0.1",
            "http://[::1]:3000",
            "HTTP://X",
        ],
        *[
            "http://127.0.0.1:3000.evil.example",
            "http://127.0.0.1:3000@evil.example",
            "http://localhost.:3000",
        ],
        *["http://127.0.0.1:3000/", "http://evil.example http://127.0.0.1:3000", "chrome-extension://abc"],
    ],
)
def test_other_origins_are_refused(origin: str) -> None:
    assert refusal(("Host", HERE), ("Origin", origin)) is not None


def test_one_foreign_origin_beside_an_own_one_is_refused() -> None:
    own, foreign = ("Origin", "http://127.0.0.1:3000"), ("origin", "http://evil.example")
    assert refusal(("Host", HERE), own, foreign) is not None
    assert refusal(("Host", HERE), foreign, own) is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site"])
def test_request_without_an_origin_is_refused_where_the_browser_says_that_the_page_is_foreign(
    site: str,
) -> None:
    assert refusal(("Host", HERE), ("Sec-Fetch-Site", site)) is not None
    assert refusal(("Host", HERE), ("Sec-Fetch-Site", site), ("Referer", "http://evil.example/x")) is not None
    assert refusal(("Host", HERE), ("Sec-Fetch-Site", site), ("Referer", "http://[evil")) is not None
    assert refusal(("Host", HERE), ("Sec-Fetch-Site", site), ("Referer", "http://localhost:5173/x?y")) is None


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_typed_address_and_own_page_are_taken(site: str) -> None:
    assert refusal(("Host", HERE), ("Sec-Fetch-Site", site)) is None


def test_own_origins_are_the_names_by_which_the_address_is_reached() -> None:
    assert own_origins("::1", 80) == {"http://[::1]", "http://localhost"}
    assert own_origins("localhost", 1) == {"http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"}


def test_subdomains_of_localhost_are_loopback_where_they_are_asked_for() -> None:
    assert is_loopback_host("a.localhost:1", takes_subdomains=True)
    assert not is_loopback_host("a.localhost.evil.example", takes_subdomains=True)
    assert not is_loopback_host("alocalhost", takes_subdomains=True)


def test_browser_is_known_by_what_programs_do_not_send() -> None:
    assert is_made_by_a_browser([(b"ORIGIN", b"")])
    assert is_made_by_a_browser([(b"Sec-Fetch-Site", b"none")])
    assert not is_made_by_a_browser([(b"Host", b"x"), (b"Referer", b"y")])


@pytest.mark.parametrize(
    ("headers", "is_surely"),
    [
        ([("Host", HERE)], True),
        ([("host", HERE), ("Accept", "*/*")], True),
        ([("Host", "evil.example"), ("Host", HERE)], False),
        ([("Host", HERE), ("hOST", HERE)], False),
        ([("Host", "evil.example")], False),
        ([("Accept", "*/*")], False),
        ([], False),
        ([("Host", HERE), ("ORIGIN", f"http://{HERE}")], False),
        ([("Host", HERE), ("Sec-Fetch-Site", "none")], False),
        ([("Host", HERE), ("Accept", "a"), ("Accept", "b")], False),  # looked at, and let in
    ],
)
def test_programs_that_tell_so_at_first_sight_are_such_as_all_callers_take(
    headers: list[tuple[str, str]], *, is_surely: bool
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    assert is_surely_a_programs(raw, by_name(raw)) == is_surely
    if is_surely:
        assert CALLERS.refusal(raw) is None
        assert not is_made_by_a_browser(raw)
