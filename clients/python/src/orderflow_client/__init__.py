"""Orderflow's client for Python: submit orders, and see every step of them, exactly once."""

from orderflow_client.client import Client
from orderflow_client.errors import (
    CannotBeDoneError,
    ClientClosedError,
    ClientOrderIdConflictError,
    ConflictError,
    DefectError,
    DisconnectedError,
    FieldProblem,
    InvalidRequestError,
    LimitReachedError,
    NotFoundError,
    OrderAlreadyFinalError,
    OrderAlreadySentError,
    OrderChangedError,
    OrderflowError,
    ProtocolError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UnknownOutcomeError,
    WithinTokenError,
)
from orderflow_client.history import FINAL
from orderflow_client.limits import Limits
from orderflow_client.models import (
    Code,
    Markets,
    OrderBody,
    OrderFields,
    OrderStatus,
    OrderType,
    Preview,
    Quote,
    Side,
    TimeInForce,
)
from orderflow_client.models import OrderEventFrame as OrderEvent
from orderflow_client.order_calls import Changes
from orderflow_client.orders import Order
from orderflow_client.results import CanceledAll
from orderflow_client.submissions import BATCH_ORDERS_MAX, BatchResult
from orderflow_client.version import __version__

__all__ = [
    "BATCH_ORDERS_MAX",
    "FINAL",
    "BatchResult",
    "CanceledAll",
    "CannotBeDoneError",
    "Changes",
    "Client",
    "ClientClosedError",
    "ClientOrderIdConflictError",
    "Code",
    "ConflictError",
    "DefectError",
    "DisconnectedError",
    "FieldProblem",
    "InvalidRequestError",
    "LimitReachedError",
    "Limits",
    "Markets",
    "NotFoundError",
    "Order",
    "OrderAlreadyFinalError",
    "OrderAlreadySentError",
    "OrderBody",
    "OrderChangedError",
    "OrderEvent",
    "OrderFields",
    "OrderStatus",
    "OrderType",
    "OrderflowError",
    "Preview",
    "ProtocolError",
    "Quote",
    "RefusedError",
    "Side",
    "TimeInForce",
    "UnauthorizedError",
    "UnavailableError",
    "UnknownOutcomeError",
    "WithinTokenError",
    "__version__",
]
