"""What S3 takes besides Signature Version 4 of a request: boto3's own way to sign URLs, and forms.

Without ``signature_version="s3v4"`` boto3 signs URLs and forms by version 2, in regions that had it
(https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html). A form says who lets it in by a
signed policy (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html), which
MiniStack judges.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ministack.core import sigv4

_KEY: Final = "AWSAccessKeyId"
_FORM: Final = "multipart/form-data"
_BUCKET: Final = re.compile(r"/[^/]+/?")
# The signature covers no others, and by another the request could be one of another service.
_IN_URL: Final = re.compile(
    r"AWSAccessKeyId|Signature|Expires|x-amz-[a-z0-9-]+|x-id|content-(?:type|md5)|response-[a-z-]+"
    r"|versionId|uploadId|partNumber|uploads|acl|tagging",
    re.IGNORECASE,
)
_BOUNDARY: Final = re.compile(r'boundary="?([^";,]+)"?')
_NAME: Final = re.compile(rb'name="([^"]*)"')
# Fields come before the file, and there are not many.
_FIELDS_BYTES_MAX: Final = 64 * 1024
_CREDENTIAL_PARTS: Final = 5


def has_version_2(query: Mapping[str, list[str]], headers: Mapping[str, str]) -> bool:
    """Return whether a request says that its URL is signed by version 2."""
    return _KEY in query and "Signature" in query and "authorization" not in headers


def is_version_2_good(
    method: str,
    raw_path: str,
    query: Mapping[str, list[str]],
    headers: Mapping[str, str],
    secrets: Mapping[str, str],
) -> bool:
    """Verify a URL's signature, and that its time is not over.

    Args:
        query: Decoded.
        headers: Names in lower case.
        secrets: Secret access keys by access key id.
    """
    key, signature, expires = (query.get(name, [""])[0] for name in (_KEY, "Signature", "Expires"))
    secret = secrets.get(key)
    if secret is None or not expires.isdigit() or int(expires) < time.time():
        return False
    if raw_path == "/" or not all(_IN_URL.fullmatch(name) for name in query):
        return False
    expected = _version_2(method, raw_path, query, headers, (key, secret, expires))
    return hmac.compare_digest(expected, signature)


def _version_2(
    method: str,
    raw_path: str,
    query: Mapping[str, list[str]],
    headers: Mapping[str, str],
    signed_with: tuple[str, str, str],
) -> str:
    """Return the signature of a URL by an access key, its secret and the time after which it is no good."""
    # A sixth of what the emulator would import at each start, and few ever sign a URL like this.
    from botocore.auth import HmacV1QueryAuth  # noqa: PLC0415
    from botocore.compat import HTTPHeaders  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    class Version2(HmacV1QueryAuth):
        """botocore's signer, of a URL that says itself when it ends."""

        def _get_date(self) -> str:
            return signed_with[2]

    # What was signed as a header travels in the URL.
    in_url = {name.lower(): values[0] for name, values in query.items() if _is_header(name.lower())}
    said: Any = HTTPHeaders()  # which the stubs take for something else than botocore does
    for name, value in {**headers, **in_url}.items():
        if name != "date":
            said[name] = value
    rest = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" if value else quote(name, safe="")
        for name, values in query.items()
        for value in values
    )
    signer = Version2(Credentials(*signed_with[:2]))
    return str(signer.get_signature(method, urlsplit(f"http://s3{raw_path}?{rest}"), said))


def _is_header(name: str) -> bool:
    return name.startswith("x-amz-") or name in {"content-type", "content-md5"}


def is_form(method: str, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]) -> bool:
    """Return whether a request uploads a form to a bucket, and could be nothing else."""
    return (
        method == "POST"
        and not query
        and "x-amz-target" not in headers
        and headers.get("content-type", "").startswith(_FORM)
        and "authorization" not in headers
        and _BUCKET.fullmatch(path) is not None
    )


def is_form_good(headers: Mapping[str, str], body: bytes, secrets: Mapping[str, str]) -> bool:
    """Verify that the policy in a form was signed; what it permits is looked at by S3."""
    fields = _fields(headers.get("content-type", ""), body)
    policy = fields.get("policy", "")
    if "x-amz-signature" in fields:
        credential = fields.get("x-amz-credential", "").split("/")
        if len(credential) != _CREDENTIAL_PARTS or credential[3] != "s3":
            return False
        secret = secrets.get(credential[0])
        if secret is None:
            return False
        key = sigv4.derive_signing_key(secret, credential[1], credential[2], "s3")
        expected = hmac.new(key, policy.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, fields["x-amz-signature"])
    secret = secrets.get(fields.get("awsaccesskeyid", ""))
    if secret is None:
        return False
    digest = hmac.new(secret.encode(), policy.encode(), "sha1").digest()
    return hmac.compare_digest(base64.b64encode(digest).decode(), fields.get("signature", ""))


def _fields(content_type: str, body: bytes) -> dict[str, str]:
    """Return the fields of a form that come before its file, names in lower case."""
    boundary: Any = _BOUNDARY.search(content_type)
    if boundary is None:
        return {}
    found: dict[str, str] = {}
    for part in body[:_FIELDS_BYTES_MAX].split(b"--" + boundary[1].encode("latin-1"))[1:]:
        head, _, value = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name is None or name[1] == b"file":
            break
        found[name[1].decode("latin-1").lower()] = value.removesuffix(b"\r\n").decode("utf-8", "replace")
    return found
