"""What an order's handle asks of its client."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypedDict, Unpack

from orderflow_client.errors import OrderflowError
from orderflow_client.limits import Limits
from orderflow_client.models import OrderBody, OrderEventFrame
from orderflow_client.tracking import Tracked
from orderflow_client.wire import AmountLike

if TYPE_CHECKING:
    from datetime import datetime


class Changes(TypedDict, total=False):
    """What an amend changes, and of which state: ``if_seq`` is the last event that the caller has seen."""

    if_seq: int
    limit_price: AmountLike
    trigger_price: AmountLike
    amount: AmountLike
    expires_at: "datetime | str"


class OrderCalls(Protocol):
    """The part of ``Client`` that handles use; what each does is said there."""

    @property
    def limits(self) -> Limits: ...

    @property
    def closed(self) -> OrderflowError | None: ...

    async def read_order(self, order_id: str) -> OrderBody: ...

    async def read_events(self, order_id: str, after_seq: int) -> Sequence[OrderEventFrame]: ...

    async def cancel(self, order_id: str) -> OrderBody: ...

    async def amend(self, order_id: str, **changes: Unpack[Changes]) -> OrderBody: ...

    async def follow(self, order_id: str, tracked: Tracked) -> None: ...
