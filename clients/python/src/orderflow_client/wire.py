"""Between JSON and Python: how members are read, and how what a caller gives is written."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from orderflow_client.errors import ProtocolError

AmountLike = Decimal | str | int
"""An amount or price in token units. No float: 0.1 + 0.2 is not 0.3 there."""

Value = TypeVar("Value")
Member = TypeVar("Member", bound=StrEnum)


def required(wire: Mapping[str, Any], name: str, read: Callable[[Any], Value]) -> Value:
    """Return a member.

    Raises:
        ProtocolError: It is missing, or not what the schema says.
    """
    if wire.get(name) is None:
        raise ProtocolError(f"the answer has no {name}")
    return _read(wire, name, read)


def optional(wire: Mapping[str, Any], name: str, read: Callable[[Any], Value]) -> Value | None:
    """Return a member, or None where it is null or missing.

    Raises:
        ProtocolError: It is not what the schema says.
    """
    return None if wire.get(name) is None else _read(wire, name, read)


def _read(wire: Mapping[str, Any], name: str, read: Callable[[Any], Value]) -> Value:
    try:
        return read(wire[name])
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ProtocolError(
            f"the answer's {name} is not what the schema says: {wire[name]!r:.100}"
        ) from error


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def decimal(value: Any) -> Decimal:
    """Return a decimal string digit for digit."""
    return Decimal(text(value))


def moment(value: Any) -> datetime:
    return datetime.fromisoformat(text(value)).astimezone(UTC)


def anything(value: Any) -> Any:
    return value


def each(read: Callable[[Any], Value]) -> Callable[[Any], tuple[Value, ...]]:
    def read_each(values: Any) -> tuple[Value, ...]:
        if not isinstance(values, list):
            raise TypeError
        return tuple(read(value) for value in values)

    return read_each


def member_of(enumeration: type[Member]) -> Callable[[Any], Member | str]:
    """Read a name; one that a newer engine added stays plain text."""

    def read_member(value: Any) -> Member | str:
        try:
            return enumeration(value)
        except ValueError:
            return text(value)

    return read_member


def to_wire(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a caller gave as JSON has it: camelCase, amounts as decimal text, None left out.

    Raises:
        TypeError: A value is a float, or of another type that JSON or the contract does not have.
        ValueError: An amount is no finite number, a time has no zone, or JSON does not carry the value.
    """
    return {_camel(name): _written(name, value) for name, value in fields.items() if value is not None}


def _written(name: str, value: Any) -> Any:
    match value:
        case StrEnum():
            return value.value
        case bool() | int() | str():
            return _carried(name, value)
        case Decimal():
            if not value.is_finite():
                raise ValueError(f"{name} must be a finite number")
            return format(value, "f")
        case float():
            raise TypeError(
                f'{name} must not be a float, which is not exact: give a Decimal or text such as "1.5"'
            )
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"{name} needs a time zone")
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case Mapping():
            return to_wire(value)
        case Sequence():
            return [_written(name, each_value) for each_value in value]
        case _:
            raise TypeError(f"{name} must not be of type {type(value).__name__}")


def _carried(name: str, value: int | str) -> int | str:
    """Return what a frame can carry; half a character, or too long a number, is found before it is sent."""
    try:
        str(value).encode()
    except ValueError as error:
        raise ValueError(f"{name} is nothing that JSON carries: {error}") from None
    return value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
