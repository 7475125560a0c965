"""What the gateway says in headers of whom a request came from."""

import pytest

from chalice_offline.gateway.forwarded import with_forwarded


def forwarded(*sent: tuple[str, str], is_tls: bool = False) -> dict[str, str]:
    headers = with_forwarded(sent, source_ip="192.0.2.1", port=8000, is_tls=is_tls, now_ms=1_700_000_000_000)
    assert len({name.lower() for name, _ in headers}) == len(headers)
    return dict(headers)


def test_address_port_and_protocol_are_those_of_the_connection() -> None:
    headers = forwarded(("Host", "a"), ("X-Custom", "1"))
    assert headers.pop("X-Amzn-Trace-Id").startswith("Root=1-6553f100-")
    assert headers == {
        "Host": "a",
        "X-Custom": "1",
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Port": "8000",
        "X-Forwarded-Proto": "http",
    }
    assert forwarded(is_tls=True)["X-Forwarded-Proto"] == "https"


def test_addresses_that_a_client_claims_stay_in_front_and_nothing_else_that_it_claims() -> None:
    headers = forwarded(
        ("x-forwarded-for", "203.0.113.7"),
        ("X-FORWARDED-FOR", "10.0.0.1, 10.0.0.2"),
        ("x-forwarded-port", "443"),
        ("X-Forwarded-proto", "https"),
    )
    assert headers["X-Forwarded-For"] == "203.0.113.7, 10.0.0.1, 10.0.0.2, 192.0.2.1"
    assert (headers["X-Forwarded-Port"], headers["X-Forwarded-Proto"]) == ("8000", "http")


BEGUN = "Root=1-67891233-abcdef012345678912345678"


@pytest.mark.parametrize("sent", [BEGUN, f"{BEGUN};Parent=53995c3f42cd8ad8;Sampled=1", f"{BEGUN};Own=a:b-c"])
def test_trace_that_a_client_began_goes_on(sent: str) -> None:
    assert forwarded(("x-amzn-trace-id", "Root=none"), ("X-Amzn-Trace-Id", sent))["X-Amzn-Trace-Id"] == sent


@pytest.mark.parametrize(
    "sent", ["", "Root=1-2-3", f"Self={BEGUN}", f"{BEGUN};Sampled=1 x", f"{BEGUN.upper()}"]
)
def test_trace_that_is_none_is_replaced(sent: str) -> None:
    assert forwarded(("x-amzn-trace-id", sent))["X-Amzn-Trace-Id"].startswith("Root=1-6553f100-")
