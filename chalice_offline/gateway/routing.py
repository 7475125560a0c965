"""Route selection: which route key a message goes to.

https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html and
apigateway-websocket-api-selection-expressions.html.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Self

CONNECT: Final = "$connect"
DEFAULT: Final = "$default"
DISCONNECT: Final = "$disconnect"
_PREDEFINED: Final = frozenset({CONNECT, DEFAULT, DISCONNECT})

_WHOLE: Final = re.compile(r"\$request\.body\.(?P<path>[^$\s{}]+)")
_PLACEHOLDER: Final = re.compile(r"\$\{request\.body\.([^${}\s]+)\}")
_STEP: Final = re.compile(r"[^.\[\]]+")

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SelectionExpression:
    """A parsed expression: static text and paths into the JSON body, in order."""

    parts: tuple[str | _Path, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``$request.body.a.b`` or text with ``${request.body.a}`` placeholders.

        Raises:
            ValueError: The expression refers to the body in neither form.
        """
        if whole := _WHOLE.fullmatch(text):
            return cls((_path(whole["path"]),))
        pieces = _PLACEHOLDER.split(text)
        if len(pieces) == 1 or any("$" in static for static in pieces[::2]):
            raise ValueError(f"not a route selection expression: {text!r}")
        parts = (_path(piece) if odd % 2 else piece for odd, piece in enumerate(pieces))
        return cls(tuple(part for part in parts if part))

    def evaluate(self, document: Any) -> str:
        """Return the route key that a JSON document selects; a path that leads nowhere gives ``""``."""
        return "".join(part if isinstance(part, str) else _text_at(document, part) for part in self.parts)


def select_route(expression: SelectionExpression, body: str, route_keys: Collection[str]) -> str | None:
    """Return the route key for a message, or None if the API has no route for it.

    ``$connect`` and ``$disconnect`` cannot be reached by naming them in a message.
    """
    fallback = DEFAULT if DEFAULT in route_keys else None
    if _PREDEFINED.issuperset(route_keys):
        return fallback
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):  # not JSON, or nested beyond reason: the default route, says AWS
        return fallback
    key = expression.evaluate(document)
    return key if key in route_keys and key not in _PREDEFINED else fallback


def _path(text: str) -> _Path:
    return tuple(_STEP.findall(text))


def _text_at(document: Any, path: _Path) -> str:
    for step in path:
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return ""
    if document is None:
        return ""
    return document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))
