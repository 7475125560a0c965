"""Field types that several messages share, and how a broken rule is told."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function

from chalicelib.domain.errors import FieldProblem, InvalidRequestError
from chalicelib.wire.json_text import NumberText

TEXT_LENGTH_MAX: Final = 128
CLIENT_ORDER_ID_LENGTH_MAX: Final = 64
SEQ_MAX: Final = 2**31 - 1
_NO_OBJECT: Final = frozenset({"model_type", "model_attributes_type", "dict_type"})
_NOT_TEXT: Final = frozenset({"string_type", "string_unicode"})
# No exponent of more digits stands for anything that a field takes.
_WITH_EXPONENT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]{1,4}")
_WHOLE: Final = re.compile(r"(?P<digits>-?[0-9]{1,40})(\.0*)?")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class NullMeans:
    """Of a member with a default: null counts as absent, as of every other that may be left out."""

    default: object

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(self._given, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"type": "null"}]}

    def _given(self, value: Any) -> Any:
        return self.default if value is None else value


class WireModel(BaseModel):
    """camelCase outside, snake_case inside; unknown members are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


def _printable(text: str) -> str:
    # Control characters cannot be stored (NUL) or shown, lone surrogates cannot even be encoded.
    if not text.isprintable():
        raise ValueError("must consist of printable characters")
    return text


def _whole_key(text: str) -> str:
    # U+FFFD is what decoders before us put in place of bytes that are no UTF-8. Keys that differed in them
    # alone have become one key, and the second order would be taken for the first sent again.
    if "\ufffd" in text:
        raise ValueError("must be UTF-8, without U+FFFD")
    return text


def _text(value: Any) -> Any:
    if isinstance(value, NumberText):
        raise ValueError("must be text")  # noqa: TRY004  # as below
    return value


def _number_as_text(value: Any) -> Any:
    if isinstance(value, NumberText):
        return _plain(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        # pydantic turns a ValueError into a problem of the field; a TypeError would escape it.
        raise ValueError('must be a decimal number, such as 1.5 or "1.5"')  # noqa: TRY004
    return str(value)


def _plain(number: NumberText) -> str:
    """Return a JSON number without its exponent, digit for digit; as it stands if it is beyond any amount."""
    if not _WITH_EXPONENT.fullmatch(number):
        return str(number)
    value = Decimal(number)
    _, digits, exponent = value.as_tuple()
    # Its length is known before it is written: a handful of characters can stand for a billion zeros.
    if not isinstance(exponent, int) or len(digits) + abs(exponent) > TEXT_LENGTH_MAX:
        return str(number)
    return format(value, "f")


def _uuid(value: Any) -> Any:
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    raise ValueError("must be a UUID, such as 0192f3a4-5b6c-7d8e-9f01-23456789abcd")


def _whole(value: Any) -> Any:
    if isinstance(value, NumberText) and (whole := _WHOLE.fullmatch(_plain(value))):
        return int(whole["digits"])  # to JSON Schema, 50.0 and 5e1 are integers
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")  # noqa: TRY004  # as above
    return value


PrintableText = Annotated[
    str,
    Field(min_length=1, max_length=TEXT_LENGTH_MAX),
    BeforeValidator(_text),
    AfterValidator(_printable),
]
ClientOrderId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=CLIENT_ORDER_ID_LENGTH_MAX,
        description="Printable characters, without U+FFFD.",
    ),
    BeforeValidator(_text),
    AfterValidator(_printable),
    AfterValidator(_whole_key),
]
AmountText = Annotated[
    str,
    Field(max_length=TEXT_LENGTH_MAX),
    BeforeValidator(_number_as_text),
    WithJsonSchema(
        {
            "type": ["string", "number"],
            "maxLength": TEXT_LENGTH_MAX,
            "pattern": r"^[0-9]+(\.[0-9]+)?$",
            "exclusiveMinimum": 0,
            "description": "A positive decimal in token units; as text, without an exponent.",
            "examples": ["1.5"],
        }
    ),
]
OrderId = Annotated[UUID, BeforeValidator(_uuid)]
WholeNumber = Annotated[int, BeforeValidator(_whole)]


Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], members: dict[str, Any]) -> Model:
    """Return the model of a message.

    Raises:
        InvalidRequestError: With one problem per broken rule, in the client's spelling.
    """
    try:
        return model.model_validate(members)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        problems = tuple(
            FieldProblem(
                ".".join(str(part) for part in e["loc"]) or "message", _in_words(e["type"], e["msg"])
            )
            for e in found
            # Of a list, what is left once its bad elements are counted out says nothing.
            if e["type"] != "too_short"
            or not any(o["loc"][: len(e["loc"])] == e["loc"] for o in found if o is not e)
        )
        raise InvalidRequestError.of(problems) from error


def _in_words(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    if kind in _NOT_TEXT:
        return "must be text"
    if kind in _NO_OBJECT:
        return "must be a JSON object"
    if kind == "tuple_type":
        return "must be a list"
    if kind == "too_short":
        return "must not be empty"
    text = message.removeprefix("Value error, ").removeprefix("Input ").removeprefix("String ")
    return text.replace("should", "must", 1)
