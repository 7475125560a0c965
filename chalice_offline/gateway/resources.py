"""Which resource of a REST API a request leads to.

A literal segment goes before a variable one, and that before a greedy one, which takes all the rest:
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-settings-method-request.html.
A resource that lacks the method leaves the request to the next (seen on AWS by localstack/localstack,
``test_proxy_routing_with_hardcoded_resource_sibling``, by https://github.com/ministackorg/ministack/pull/1423
and https://github.com/floci-io/floci/pull/3399).
Values are handed on as they were sent, percent-encoded or not, as AWS does (recorded there by
localstack/localstack, ``test_lambda_aws_proxy_integration``).
"""

from collections.abc import Collection, Mapping, Sequence
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
    """The resources of an API: their methods by their paths."""

    def __init__(self, methods: Mapping[str, Collection[str]]) -> None:
        self._methods = methods
        self._by_rank = sorted(((path, path.split("/")) for path in methods), key=lambda each: _rank(each[1]))

    def find(self, method: str, path: str) -> Match | None:
        """Return what a method of a path without its query leads to; a slash at its end is not looked at."""
        segments = (path.removesuffix("/") or "/").split("/")
        for resource, declared in self._by_rank:
            if method not in self._methods[resource]:
                continue
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
