"""URLs and forms that boto3 has signed for S3, by either version."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from urllib3 import encode_multipart_formdata

from chalice_offline.services.s3_signatures import (
    has_version_2,
    is_form,
    is_form_good,
    is_version_2_good,
)

SECRET = "secret"
SECRETS = {"known": SECRET}


def client(version: str, secret: str = SECRET) -> Any:
    return boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:4566",
        region_name="us-east-1",
        aws_access_key_id="known",
        aws_secret_access_key=secret,
        config=Config(signature_version=version),
    )


def url(operation: str = "get_object", *, secret: str = SECRET, ends_s: int = 60, **asked: str) -> str:
    parameters = {"Bucket": "pictures", "Key": "a b.png", **asked}
    signed = client("s3", secret).generate_presigned_url(operation, Params=parameters, ExpiresIn=ends_s)
    return str(signed)


def is_good(address: str, method: str = "GET", **headers: str) -> bool:
    parts = urlsplit(address)
    query = parse_qs(parts.query, keep_blank_values=True)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    assert has_version_2(query, sent)
    return is_version_2_good(method, parts.path, query, sent, SECRETS)


def test_url_that_boto3_signs_is_good_until_its_end() -> None:
    assert is_good(url())
    assert not is_good(url(ends_s=-1))
    assert not is_good(url(secret="guessed"))


def test_url_is_good_for_what_it_was_signed_for_alone() -> None:
    assert is_good(url("put_object", ContentType="image/png"), "PUT", content_type="image/png")
    assert is_good(url(ResponseContentType="image/png"))
    assert not is_good(url(), "PUT")
    assert not is_good(url().replace("a%20b", "c"))
    assert not is_good(url("put_object"), "PUT", content_type="image/png")
    assert not is_good(url().replace("Expires=", "Expires=9"))
    assert not is_good(url(), x_amz_target="AmazonSQS.ListQueues")
    assert not is_good(f"{url()}&Action=ListQueues")


def a_form(version: str, secret: str = SECRET, **changed: str) -> tuple[dict[str, str], bytes]:
    fields = client(version, secret).generate_presigned_post("pictures", "a.png")["fields"]
    parts = [*{**fields, **changed}.items(), ("file", ("a.png", b"\x89PNG" * 50_000, "image/png"))]
    body, content_type = encode_multipart_formdata(parts)
    return {"content-type": content_type}, body


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_form_that_boto3_signs_is_good_as_it_is(version: str) -> None:
    headers, body = a_form(version)
    assert is_form("POST", "/pictures", {}, headers)
    assert is_form_good(headers, body, SECRETS)
    assert not is_form_good(*a_form(version, "guessed"), SECRETS)
    assert not is_form_good(*a_form(version, policy="e30="), SECRETS)
    assert not is_form_good(headers, body, {})
    assert not is_form_good(headers, b"", SECRETS)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("PUT", "/pictures", {"content-type": "multipart/form-data; boundary=x"}),
        ("POST", "/", {"content-type": "multipart/form-data; boundary=x"}),
        ("POST", "/pictures/a.png", {"content-type": "multipart/form-data; boundary=x"}),
        ("POST", "/pictures", {"content-type": "text/plain"}),
        ("POST", "/pictures", {"content-type": "multipart/form-data; boundary=x", "x-amz-target": "x"}),
        ("POST", "/pictures", {"content-type": "multipart/form-data; boundary=x", "authorization": "x"}),
    ],
)
def test_nothing_else_is_a_form(method: str, path: str, headers: dict[str, str]) -> None:
    assert not is_form(method, path, {}, headers)
    form = {"content-type": "multipart/form-data; boundary=x"}
    assert not is_form("POST", "/pictures", {"Action": ["x"]}, form)
