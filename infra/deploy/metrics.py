"""What CloudWatch measures of a stage: the sources that alarms and the dashboard look at. Pure.

Names hold ``${Stage}`` and ``${WebsocketAPIId}``, which the monitoring stack fills in.
"""

from dataclasses import dataclass
from typing import Final

from infra.deploy.json_types import JsonObject

FUNCTIONS: Final = (
    "websocket_authorizer",
    "websocket_connect",
    "websocket_message",
    "websocket_disconnect",
    "api_handler",
    "execute_orders",
    "settle_dead_letters",
    "sweep",
    "match_prices",
    "archive_orders",
)


@dataclass(frozen=True, slots=True)
class Source:
    """Something that is measured: a namespace and the dimensions that pick one thing in it."""

    namespace: str
    dimensions: tuple[tuple[str, str], ...]


def function(name: str) -> Source:
    return Source("AWS/Lambda", (("FunctionName", f"orderflow-${{Stage}}-{name}"),))


ORDERS: Final = Source("AWS/SQS", (("QueueName", "orderflow-${Stage}-orders"),))
DEAD_LETTERS: Final = Source("AWS/SQS", (("QueueName", "orderflow-${Stage}-orders-dlq"),))
ENGINE: Final = Source("Orderflow/${Stage}", (("service", "orderflow"),))
DEFECTS: Final = Source("Orderflow/${Stage}", ())
WEBSOCKET: Final = Source("AWS/ApiGateway", (("ApiId", "${WebsocketAPIId}"), ("Stage", "ws")))
REST: Final = Source("AWS/ApiGateway", (("ApiName", "orderflow-${Stage}"), ("Stage", "api")))
CLUSTER: Final = Source("AWS/RDS", (("DBClusterIdentifier", "orderflow-${Stage}"),))
PROXY: Final = Source("AWS/RDS", (("ProxyName", "orderflow-${Stage}"),))


def filled(text: str) -> str | JsonObject:
    """Return the text for a template, with its parameters filled in if it has any."""
    return {"Fn::Sub": text} if "${" in text else text
