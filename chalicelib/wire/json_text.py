"""JSON from outside: every number keeps its digits, and nothing in it can break the parser."""

import json
from typing import Any

from chalicelib.domain.errors import Code, InvalidRequestError


class NumberText(str):
    """A JSON number with a fraction or an exponent, as it was written: it never becomes a float."""

    __slots__ = ()


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Return the members of a JSON object.

    Raises:
        InvalidRequestError: Not JSON (RFC 8259: no NaN, no Infinity), too deep, or not an object.
    """
    try:
        value = json.loads(text, parse_float=NumberText, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InvalidRequestError(Code.INVALID_JSON, "the message is nested too deeply") from error
    except ValueError as error:
        raise InvalidRequestError(Code.INVALID_JSON, "the message is not valid JSON") from error
    if not isinstance(value, dict):
        raise InvalidRequestError(Code.INVALID_JSON, "the message must be a JSON object")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
