"""Field types that several messages share, and how a broken rule is told."""

import re
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from chalicelib.domain.errors import FieldProblem, InvalidRequestError

TEXT_LENGTH_MAX: Final = 128
CLIENT_ORDER_ID_LENGTH_MAX: Final = 64
_NOT_TEXT: Final = frozenset({"string_type", "string_unicode"})
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class WireModel(BaseModel):
    """camelCase outside, snake_case inside; members that nobody knows are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


def _printable(text: str) -> str:
    # Control characters cannot be stored (NUL) or shown, lone surrogates cannot even be encoded.
    if not text.isprintable():
        raise ValueError("must consist of printable characters")
    return text


def _number_as_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        # pydantic turns a ValueError into a problem of the field; a TypeError would escape it.
        raise ValueError('must be a decimal number, such as 1.5 or "1.5"')  # noqa: TRY004
    # Longer than any amount: the digits would only be refused one by one later.
    return str(value) if value.bit_length() <= 512 else "too long"


def _uuid(value: Any) -> Any:
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    raise ValueError("must be a UUID, such as 0192f3a4-5b6c-7d8e-9f01-23456789abcd")


def _whole(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")  # noqa: TRY004  # as above
    return value


PrintableText = Annotated[str, Field(min_length=1, max_length=TEXT_LENGTH_MAX), AfterValidator(_printable)]
ClientOrderId = Annotated[
    str, Field(min_length=1, max_length=CLIENT_ORDER_ID_LENGTH_MAX), AfterValidator(_printable)
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
            "description": "A plain positive decimal in token units.",
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
        problems = tuple(
            FieldProblem(
                ".".join(str(part) for part in e["loc"]) or "message", _in_words(e["type"], e["msg"])
            )
            for e in error.errors(include_url=False, include_input=False)
        )
        raise InvalidRequestError.of(problems) from error


def _in_words(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    if kind in _NOT_TEXT:
        return "must be text"
    text = message.removeprefix("Value error, ").removeprefix("Input ").removeprefix("String ")
    return text.replace("should", "must", 1)
