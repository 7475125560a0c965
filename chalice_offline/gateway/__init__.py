"""A local API Gateway: WebSocket API, @connections management API and REST API on one port.

``Gateway`` is the whole public surface; ``GatewaySettings`` and ``AppManifest`` are its input. The modules
below it either decide and know nothing of sockets (``handshake``, ``authorizer``, ``routing``, ``events``,
``frames``, ``connections``, ``management``, ``signatures``, ``throttle``, ``ids``) or move bytes and time
(``application``, ``callbacks``, ``websocket``, ``session``, ``outbox``, ``rest``, ``http_protocol``,
``protocol``, ``server``).
"""

from chalice_offline.gateway.server import Gateway
from chalice_offline.gateway.settings import CallbackSignatures, GatewayLimits, GatewaySettings, MessageOrder

__all__ = ["CallbackSignatures", "Gateway", "GatewayLimits", "GatewaySettings", "MessageOrder"]
