"""What operations of the REST API are made of in OpenAPI: parameters, answers and refusals."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from chalicelib.wire.answers import ErrorBody
from infra.specs.schemas import reference

_AGAIN_AFTER: Final = {
    "description": "In how many seconds to ask again, with RATE_LIMITED.",
    "schema": {"type": "integer", "minimum": 0},
}
_OF_ANY_CREDENTIAL: Final = frozenset({"401", "403", "429"})


def query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter of the query that may be left out."""
    return {"name": name, "in": "query", "required": False, "schema": schema}


def in_path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter of the path."""
    return {"name": name, "in": "path", "required": True, "schema": schema}


def response(description: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"description": description, "content": json_of(model)}


def json_of(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": reference(model)}}


def refusals(codes: str, descriptions: Mapping[str, str]) -> dict[str, Any]:
    """Return the answers that say that nothing was done, by status.

    Args:
        codes: With blanks between; those that any operation with a credential may be answered with come by
            themselves.
    """
    return {
        code: _refusal(code, descriptions[code]) for code in sorted({*codes.split(), *_OF_ANY_CREDENTIAL})
    }


def _refusal(code: str, description: str) -> dict[str, Any]:
    shown = response(description, ErrorBody)
    return shown | ({"headers": {"Retry-After": _AGAIN_AFTER}} if code == "429" else {})
