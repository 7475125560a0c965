"""The guard's quick yes, against the guard itself."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from botocore.credentials import Credentials

from chalice_offline.services.emulator_guard import CanonicalRequest, Guard
from chalice_offline.services.prompt_guard import PromptGuard
from chalicelib.adapters.aws.sigv4 import RequestSigner

GUARD = Guard({"known": "secret"}, frozenset({"sqs"}))
FIELDS = (("host", "127.0.0.1:4566"), ("x-amz-target", "AmazonSQS.SendMessage"))


def request(
    *,
    key: str = "known",
    signing_key: str = "secret",
    service: str = "sqs",
    late: timedelta = timedelta(),
    more: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[bytes, bytes], bytes]:
    signer = RequestSigner(Credentials(key, signing_key), service, "us-east-1")
    fields = tuple((dict(FIELDS) | dict(more)).items())
    head, _, body = signer.request("POST", "/", fields, b"{}", datetime.now(UTC) - late).partition(
        b"\r\n\r\n"
    )
    lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
    return {name: value for name, _, value in lines}, body


def is_refused(guard: Guard, headers: dict[bytes, bytes], body: bytes) -> bool:
    said = {name.decode(): value.decode("latin-1") for name, value in headers.items()}
    signed = CanonicalRequest("POST", "/", {}, said, body)
    head = guard.refusal_of_head("/", list(headers.items()), signed)
    return head is not None or guard.refusal_of_signature(signed) is not None


def test_signed_call_is_let_in() -> None:
    guard = PromptGuard(GUARD)
    for _ in range(2):
        headers, body = request()
        assert guard.lets_in(headers, body)
        assert not is_refused(GUARD, headers, body)


def test_signed_header_is_taken_as_it_is_named() -> None:
    made = request(more={"x-%b%%": "any"})
    assert not is_refused(GUARD, *made)
    assert PromptGuard(GUARD).lets_in(*made)


@pytest.mark.parametrize(
    "how",
    [
        {"key": "unknown"},
        {"signing_key": "another"},
        {"service": "dynamodb"},
        {"more": {"host": "evil.example"}},
        {"late": timedelta(minutes=16)},
        {"late": timedelta(minutes=-16)},
    ],
    ids=["unknown key", "wrong secret", "another service", "rebound", "late", "early"],
)
def test_what_the_guard_refuses_is_not_let_in(how: dict[str, Any]) -> None:
    made = request(**how)
    assert is_refused(GUARD, *made)
    assert not PromptGuard(GUARD).lets_in(*made)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x-amz-target", b"AmazonSQS.DeleteMessage"),
        (b"x-amz-date", b"20260101T000000Z"),
        (b"x-amz-date", b""),
        (b"authorization", b"AWS4-HMAC-SHA256 Credential=known"),
        (b"authorization", b""),
    ],
)
def test_call_that_was_altered_is_not_let_in(name: bytes, value: bytes) -> None:
    headers, body = request()
    assert is_refused(GUARD, headers | {name: value}, body)
    assert not PromptGuard(GUARD).lets_in(headers | {name: value}, body)
    assert not PromptGuard(GUARD).lets_in(headers, body + b" ")


def test_credentials_that_the_emulator_made_are_left_to_the_guard() -> None:
    headers, body = request(key="ASIAMADE")
    assert not PromptGuard(Guard({"known": "secret"}, has_open_apis=True)).lets_in(headers, body)
