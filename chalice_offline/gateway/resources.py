"""Which resource of a REST API a path leads to.

A literal segment goes before a variable one, and that before a greedy one, which takes all the rest:
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-settings-method-request.html.
Values are handed on as they were sent, percent-encoded or not, as AWS does (recorded there by
localstack/localstack, ``test_lambda_aws_proxy_integration``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_LITERAL: Final = 0
_VARIABLE: Final = 1
_GREEDY: Final = 2


@dataclass(frozen=True, slots=True)
class Match:
    """A resource, and the values of the variables in its path.

    Attributes:
        resource: Its path as declared, such as ``/files/{name+}``.
    """

    resource: str
    parameters: Mapping[str, str]


class Resources:
    """The resources of an API, by their paths."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_rank = sorted(((path, path.split("/")) for path in paths), key=lambda each: _rank(each[1]))

    def find(self, path: str) -> Match | None:
        """Return what a path leads to, without its query; a slash at its end is not looked at."""
        segments = (path.removesuffix("/") or "/").split("/")
        for resource, declared in self._by_rank:
            parameters = _parameters(declared, segments)
            if parameters is not None:
                return Match(resource, parameters)
        return None


def _rank(declared: Sequence[str]) -> list[tuple[int, str]]:
    return [(_kind(segment), segment) for segment in declared]


def _kind(segment: str) -> int:
    if not segment.startswith("{"):
        return _LITERAL
    return _GREEDY if segment.endswith("+}") else _VARIABLE


def _parameters(declared: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    """Return the values of variables, None if the segments are not the declared ones."""
    is_greedy = _kind(declared[-1]) == _GREEDY
    if len(segments) < len(declared) or (len(segments) > len(declared) and not is_greedy):
        return None
    if is_greedy:
        last = len(declared) - 1
        segments = [*segments[:last], "/".join(segments[last:])]
    found: dict[str, str] = {}
    for name, value in zip(declared, segments, strict=True):
        if not name.startswith("{"):
            if name != value:
                return None
        elif not value:
            return None
        else:
            found[name[1:-1].removesuffix("+")] = value
    return found
