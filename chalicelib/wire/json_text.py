"""JSON from outside: every number keeps its digits, and nothing in it can break the parser.
JSON of our own: one spelling of equal data.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import to_jsonable_python

from chalicelib.domain.errors import Code, FieldError, InvalidRequestError

JsonObject = dict[str, Any]
"""Members of a JSON object, by name."""

# ``json.JSONEncoder.encode`` makes one of these for each text, in more instructions than all else around it
# takes. Fields are made here, and hold no cycle: to look for one would take nearly half of the time.
_CANONICAL: Final = json.encoder.c_make_encoder(  # type: ignore[attr-defined]  # CPython's own, as json uses it
    None,  # cycles
    to_jsonable_python,
    json.encoder.encode_basestring,
    None,  # indent
    ":",
    ",",
    True,  # noqa: FBT003  # sorted
    False,  # noqa: FBT003  # other members' names than text
    True,  # noqa: FBT003  # NaN
)


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """How much one message may hold; a field's own rules come on top.

    Attributes:
        depth_max: Objects and arrays within each other; the message itself is the first.
        text_length_max: Characters of any one string, member name or number with a fraction.
    """

    bytes_max: int = 32_768
    depth_max: int = 8
    text_length_max: int = 512


_CHARACTER_BYTES_MAX: Final = 4
"""In UTF-8."""

INTEGER_DIGITS_MAX: Final = 100
"""More than any number that some field takes."""

DEFAULT_LIMITS: Final = JsonLimits()

# Not ``dict | list``, which is made anew each time that it is asked for.
_NESTING: Final = (dict, list)


class NumberText(str):
    """A number that is not a plain integer, as it was written: it never becomes a float.

    NaN and Infinity, which RFC 8259 does not know and Python's own encoder writes, come this far so that
    the refusal can name the field that holds one: no field takes them.
    """

    __slots__ = ()


def canonical(fields: Mapping[str, object]) -> str:
    """Return the one spelling of equal data, however the database keeps it: members sorted, without spaces,
    nothing escaped that need not be.
    """
    return "".join(_CANONICAL(fields, 0))


def parse_object(text: str | bytes, limits: JsonLimits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Return the members of a JSON object.

    Raises:
        InvalidRequestError: Not JSON (RFC 8259), not an object, beyond a limit, or with a member that stands
            twice: RFC 8259 leaves open which of two amounts counts, so neither does.
    """
    if len(text) * _CHARACTER_BYTES_MAX > limits.bytes_max and _bytes(text) > limits.bytes_max:
        raise _refusal(f"must have at most {limits.bytes_max} bytes", Code.MESSAGE_TOO_LARGE)
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
            value = _DECODER.decode(text)
        else:
            value = _decoded(text)
    except RecursionError as error:
        raise _too_deep(limits) from error
    except ValueError as error:
        raise _refusal("must be valid JSON", Code.INVALID_JSON) from error
    if not isinstance(value, dict):
        raise _refusal("must be a JSON object", Code.INVALID_JSON)
    if not _is_surely_within(text, limits):
        _check(value, limits)
    # As nearly always, each colon is one member's, and all of them are there.
    if text.count(":") != len(value):
        _OF_NAMES.decode(text)
    return value


def members_of_any_shape(text: str, bytes_max: int) -> dict[str, Any]:
    """Return what can be read of an object that may be refused for its shape, the last of members that stand
    twice; nothing of what is no object.
    """
    if _bytes(text) > bytes_max:
        return {}
    try:
        value = _decoded(text)
    except (RecursionError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _decoded(text: str) -> Any:
    """Return what ``json.loads`` would: it makes a decoder for each call."""
    if text.startswith("\ufeff"):
        raise ValueError("a byte order mark")
    try:
        value, end = _SCAN(text, 0)
    except StopIteration:  # space comes first, or nothing of JSON's
        return _DECODER.decode(text)
    return value if end == len(text) else _DECODER.decode(text)


def _bytes(text: str | bytes) -> int:
    # A lone surrogate is counted like the character it would be half of; the parser refuses it later.
    return len(text) if isinstance(text, bytes) else len(text.encode(errors="surrogatepass"))


def _is_surely_within(text: str, limits: JsonLimits) -> bool:
    """Return whether a message needs no look at its members, as nearly all need none: nothing in it is longer
    than itself, nor nested deeper than it has brackets.
    """
    if len(text) > limits.text_length_max:
        return False
    return text.count("{") + text.count("[") <= limits.depth_max


def _check(message: dict[str, Any], limits: JsonLimits) -> None:
    # A loop and not a recursion: the message decides how deep it goes.
    longest = limits.text_length_max
    waiting: list[tuple[Any, int, str]] = [(message, 1, "message")]
    while waiting:
        value, depth, field = waiting.pop()
        if isinstance(value, str):
            problem = f"must have at most {longest} characters"
            raise FieldError(field, problem, Code.TEXT_TOO_LONG)
        if depth > limits.depth_max:
            raise _too_deep(limits)
        members = value.items() if isinstance(value, dict) else ((field, each) for each in value)
        for name, member in members:
            if len(name) > longest:
                problem = f"must have names of at most {longest} characters"
                raise FieldError(field, problem, Code.TEXT_TOO_LONG)
            # Nearly all are short text and numbers, of which nothing else is to be found out.
            if isinstance(member, _NESTING) or (isinstance(member, str) and len(member) > longest):
                waiting.append((member, depth + 1, name))


def _names_once(pairs: list[tuple[str, Any]]) -> None:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise FieldError(name, "must stand once in its object")
        names.add(name)


def _too_deep(limits: JsonLimits) -> InvalidRequestError:
    return _refusal(f"must be nested at most {limits.depth_max} deep", Code.JSON_TOO_DEEP)


def _refusal(problem: str, code: Code) -> InvalidRequestError:
    """Return what is said of a message as a whole; details call it ``message``, in a field's place."""
    return FieldError("message", problem, code)


def _integer(digits: str) -> int | NumberText:
    # Python refuses to parse more than some thousand digits; the field that has them should be named.
    return int(digits) if len(digits) <= INTEGER_DIGITS_MAX else NumberText(digits)


_DECODER: Final = json.JSONDecoder(parse_float=NumberText, parse_int=_integer, parse_constant=NumberText)
_OF_NAMES: Final = json.JSONDecoder(object_pairs_hook=_names_once, parse_int=NumberText)
"""Finds members that stand twice, and keeps nothing."""

# Where a document has no space around it, ``decode`` does only this, in twice the time.
_SCAN: Final[Callable[[str, int], tuple[Any, int]]] = _DECODER.scan_once  # type: ignore[attr-defined]  # as json uses it
