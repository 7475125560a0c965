"""The guard's quick yes, against the guard itself."""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
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


def signed_for(day: str, moment: str) -> tuple[dict[bytes, bytes], bytes]:
    """Return a call of a moment that is signed soundly, with the key of a day."""
    scope = f"{day}/us-east-1/sqs/aws4_request"
    key = b"AWS4secret"
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    fields = dict(FIELDS) | {"x-amz-date": moment}
    names = ";".join(sorted(fields))
    lines = "".join(f"{name}:{fields[name]}\n" for name in sorted(fields))
    canonical = f"POST\n/\n\n{lines}\n{names}\n{sha256(b'{}').hexdigest()}"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    said = f"AWS4-HMAC-SHA256 Credential=known/{scope}, SignedHeaders={names}, Signature={signature}"
    fields["authorization"] = said
    return {name.encode(): value.encode() for name, value in fields.items()}, b"{}"


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


@pytest.mark.parametrize("days", [-1, 1])
def test_scope_of_another_day_than_the_calls_own_lets_nothing_in(days: int) -> None:
    """AWS: "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"."""
    now = datetime.now(UTC)
    of_today = signed_for(f"{now:%Y%m%d}", f"{now:%Y%m%dT%H%M%SZ}")
    assert not is_refused(GUARD, *of_today)
    guard = PromptGuard(GUARD)
    assert guard.lets_in(*of_today)
    of_another = signed_for(f"{now + timedelta(days=days):%Y%m%d}", f"{now:%Y%m%dT%H%M%SZ}")
    assert is_refused(GUARD, *of_another)
    assert not guard.lets_in(*of_another)


def test_call_of_yesterdays_last_minute_is_let_in_with_yesterdays_scope(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    midnight = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    monkeypatch.setattr("chalice_offline.services.prompt_guard.time.time", lambda: midnight + 60)
    assert PromptGuard(GUARD).lets_in(*signed_for("20260101", "20260101T235930Z"))
    assert not PromptGuard(GUARD).lets_in(*signed_for("20260102", "20260101T235930Z"))


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
