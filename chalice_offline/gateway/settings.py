"""What can be set, with API Gateway's own values as defaults.

Sources are pages of https://docs.aws.amazon.com/apigateway/latest/developerguide/.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chalice_offline.invocation import RETRIES_S

# apigateway-execution-service-websocket-limits-table.html
FRAME_BYTES_MAX = 32 * 1024
MESSAGE_BYTES_MAX = 128 * 1024
IDLE_S_MAX = 10 * 60.0
DURATION_S_MAX = 2 * 60 * 60.0
INTEGRATION_TIMEOUT_S = 29.0
INTEGRATION_TIMEOUT_S_MIN = 0.05
URL_CHARS_MAX = 4096
CONNECTIONS_PER_S = 500
# limits.html: one bucket of an account; callbacks draw from it.
REQUESTS_PER_S = 10_000
REQUEST_BURST = 5_000
REST_BODY_BYTES_MAX = 10 * 1024 * 1024
# Of the request line and the headers' values.
REST_HEAD_BYTES_MAX = 10_240
# Reserved for its own health checks (api-gateway-known-issues.html).
HEALTH_STAGES = frozenset({"ping", "sping"})
# What Chalice deploys (chalice/package.py, chalice/awsclient.py).
SELECTION_EXPRESSION = "$request.body.action"
# Ours: AWS documents that there is a limit, but not which.
OUTBOUND_BYTES_MAX = 1024 * 1024

LogCallback = Callable[[str, Mapping[str, Any]], None]
PoolKeys = Mapping[str, tuple[int, int]]
"""Public keys of a user pool, modulus and exponent, by their id; none where its tokens are not signed."""
FindPool = Callable[[str], Awaitable[PoolKeys | None]]
"""From a user pool's id; None if there is no such pool."""


class MessageOrder(StrEnum):
    """Whether the handler of a connection's next message waits for the one before.

    AWS does not say which it is, and reports differ. ``concurrent`` is the default because it is the harder
    one to live with: an app that is right under it is right under ``serial`` too.
    """

    CONCURRENT = "concurrent"
    SERIAL = "serial"


class CallbackSignatures(StrEnum):
    """What management requests, or routes with an IAM authorizer, must carry; AWS verifies, and ``open`` asks
    for no credentials.
    """

    OPEN = "open"
    SIGNED = "signed"  # any signature for API Gateway
    VERIFIED = "verified"  # the signature that one of ``credentials`` makes


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """Quotas; sizes in bytes, spans in seconds. Shorten them in tests, the rules stay the same.

    Attributes:
        outbound_bytes_max: Bytes that may wait for a client that does not read; beyond it callbacks get 429.
            AWS documents the answer but not the size.
        messages_in_flight_max: Messages of one principal, or of one connection without an authorizer, that
            may be with their handlers at once before reading pauses. No quota of AWS: it bounds memory here.
        event_retries_s: The pauses before a function that failed is run again for an ``Event`` invocation.
    """

    frame_bytes_max: int = FRAME_BYTES_MAX
    message_bytes_max: int = MESSAGE_BYTES_MAX
    idle_s: float = IDLE_S_MAX
    duration_s: float = DURATION_S_MAX
    integration_timeout_s: float = INTEGRATION_TIMEOUT_S
    url_chars_max: int = URL_CHARS_MAX
    connections_per_s: int = CONNECTIONS_PER_S
    requests_per_s: int = REQUESTS_PER_S
    request_burst: int = REQUEST_BURST
    rest_body_bytes_max: int = REST_BODY_BYTES_MAX
    rest_head_bytes_max: int = REST_HEAD_BYTES_MAX
    outbound_bytes_max: int = OUTBOUND_BYTES_MAX
    messages_in_flight_max: int = 128
    event_retries_s: tuple[float, ...] = RETRIES_S


def discard(_message: str, _facts: Mapping[str, Any]) -> None:
    """Log nothing."""


async def no_pool(_pool_id: str) -> None:
    """Know no user pool."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where the gateway listens and what the emulated API looks like.

    Attributes:
        port: 0 lets the system choose; ``Gateway.port`` tells.
        websocket_stage: First path segment of the WebSocket API and of its management API.
        rest_stage: First path segment of the REST API.
        base_path: Where else the REST API is, without its stage: as behind a custom domain with this base
            path, ``/`` for the root. The path that a function sees then has the base path in front.
        stage_variables: Of the REST API's stage; its functions and authorizers see them.
        domain_name: ``requestContext.domainName``. Default: the address the gateway listens on, with its
            port, so that ``http://{domainName}/{stage}`` reaches the management API. AWS has no port here.
        route_selection_expression: As in ``CreateApi``; Chalice deploys ``$request.body.action``.
        route_responses: Route keys that have a ``$default`` route response, hence answer the sender with the
            handler's body. Chalice creates none.
        authorizer_identity_sources: ``route.request.header.NAME`` or ``route.request.querystring.NAME``;
            a request that lacks one is refused with 401 before the authorizer runs.
        callback_signatures: Which management requests are refused with 403.
        iam: What requests to routes with an IAM authorizer must carry.
        credentials: Secret access keys by access key id, for ``VERIFIED``.
        keeps_authorizers_answers: Whether what a REST route's authorizer answered holds for later requests
            with the same token, as on AWS; else each request asks anew.
        api_keys: Keys that routes with ``api_key_required`` take in ``x-api-key``; if empty, any key.
        find_pool: The user pools that there are. A route of one that there is not is open to every client.
        permessage_deflate: Negotiate compression when a client offers it. AWS is not documented to.
        allowed_hosts: Names in ``Host``, without port, that a
            gateway on loopback takes besides loopback's own.
        allowed_origins: Origins of foreign pages that may use a gateway on loopback, such as
            ``http://localhost:5173``. A gateway on another address, as on AWS, is open to every page.
        shutdown_grace_s: How long ``Gateway.stop`` waits for clients and ``$disconnect`` handlers.
        log: Called with a constant message and its facts, from the event loop; it must not block.
        warn: The same, with what a developer should know of though no one asked; once each.
    """

    host: str = "127.0.0.1"
    port: int = 3000
    websocket_stage: str = "ws"
    rest_stage: str = "api"
    base_path: str | None = None
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    api_id: str = "local00000"
    account_id: str = "123456789012"
    region: str = "us-east-1"
    domain_name: str | None = None
    route_selection_expression: str = SELECTION_EXPRESSION
    route_responses: frozenset[str] = frozenset()
    authorizer_identity_sources: tuple[str, ...] = ()
    message_order: MessageOrder = MessageOrder.CONCURRENT
    callback_signatures: CallbackSignatures = CallbackSignatures.OPEN
    iam: CallbackSignatures = CallbackSignatures.OPEN
    credentials: Mapping[str, str] = field(default_factory=dict)
    keeps_authorizers_answers: bool = True
    api_keys: frozenset[str] = frozenset()
    find_pool: FindPool = no_pool
    permessage_deflate: bool = False
    allowed_hosts: frozenset[str] = frozenset()
    allowed_origins: frozenset[str] = frozenset()
    shutdown_grace_s: float = 10.0
    limits: GatewayLimits = field(default_factory=GatewayLimits)
    log: LogCallback = discard
    warn: LogCallback = discard
