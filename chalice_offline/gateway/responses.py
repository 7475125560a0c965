"""HTTP responses as values, and the form in which API Gateway reports errors."""

import json
from typing import NamedTuple

Headers = tuple[tuple[str, str], ...]


class Response(NamedTuple):
    """An HTTP response, complete but for its length."""

    status: int
    body: bytes = b""
    headers: Headers = ()


def error(status: int, error_type: str, message: str | None) -> Response:
    """Return an error as AWS's REST-JSON protocol has it: its type in a header, its message in the body."""
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", error_type))
    return Response(status, json.dumps({"message": message}).encode(), headers)
