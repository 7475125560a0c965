"""What a caller asks for, checked before it leaves."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from orderflow_client.wire import to_wire


def checked(known: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request as JSON has it.

    Args:
        known: The request's ``TypedDict``.

    Raises:
        TypeError: A name that the request does not have: what was meant is never dropped; or a float.
    """
    names = known.__annotations__
    for name in given:
        if name not in names:
            raise TypeError(f"{name} is not one of {', '.join(names)}")
    return to_wire(given)


def order_path(order_id: str) -> str:
    """Return an order's path.

    Raises:
        ValueError: It is no order's id: nothing else may be put into a path.
    """
    try:
        return f"/orders/{UUID(order_id)}"
    except ValueError:
        raise ValueError(f"{order_id!r} is no order's id, which is a UUID") from None
