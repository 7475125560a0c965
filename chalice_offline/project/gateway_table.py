"""The ``[gateway]`` table of ``.chalice/local.toml``."""

from collections.abc import Callable
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from chalice_offline.gateway import CallbackSignatures, MessageOrder
from chalice_offline.gateway.authorizer import IdentitySource
from chalice_offline.gateway.routing import SelectionExpression
from chalice_offline.gateway.settings import (
    CONNECTIONS_PER_S,
    DURATION_S_MAX,
    HEALTH_STAGES,
    IDLE_S_MAX,
    INTEGRATION_TIMEOUT_S,
    INTEGRATION_TIMEOUT_S_MIN,
    OUTBOUND_BYTES_MAX,
    REQUEST_BURST,
    REQUESTS_PER_S,
    SELECTION_EXPRESSION,
)
from chalice_offline.project.table import Table


def _parsed_by(parse: Callable[[str], object]) -> Callable[[str], str]:
    """Return a check that a text can be parsed."""

    def check(text: str) -> str:
        parse(text)
        return text

    return check


def _not_reserved(stage: str) -> str:
    """Refuse the paths of API Gateway's health checks (api-gateway-known-issues.html)."""
    if stage in HEALTH_STAGES:
        raise ValueError("is reserved by API Gateway")
    return stage


_Stage = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$"), AfterValidator(_not_reserved)]


def _is_an_origin(text: str) -> str:
    """Refuse what no browser would send in ``Origin``, and ``null``, which any page can have."""
    parts = urlsplit(text)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.netloc
        or text != f"{parts.scheme}://{parts.netloc}"
    ):
        raise ValueError("must be an origin such as http://localhost:5173, without a path")
    return text.lower()


_Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,253}$"), AfterValidator(str.lower)]
_Origin = Annotated[str, AfterValidator(_is_an_origin)]


class LimitsTable(Table):
    """Quotas of API Gateway, up to what they are there: seconds, and requests a second.

    An account may have less of what is counted in a second, and a test wants to see it time out.
    """

    idle_s: Annotated[float, Field(gt=0, le=IDLE_S_MAX)] = IDLE_S_MAX
    duration_s: Annotated[float, Field(gt=0, le=DURATION_S_MAX)] = DURATION_S_MAX
    integration_timeout_s: Annotated[float, Field(ge=INTEGRATION_TIMEOUT_S_MIN, le=INTEGRATION_TIMEOUT_S)] = (
        INTEGRATION_TIMEOUT_S
    )
    connections_per_s: Annotated[int, Field(ge=1)] = CONNECTIONS_PER_S
    requests_per_s: Annotated[int, Field(ge=1)] = REQUESTS_PER_S
    request_burst: Annotated[int, Field(ge=1)] = REQUEST_BURST
    outbound_bytes_max: Annotated[int, Field(ge=1)] = OUTBOUND_BYTES_MAX


class GatewayTable(Table):
    """The API's names and choices; see ``chalice_offline.gateway.GatewaySettings``.

    A stage that is not named is the ``api_gateway_stage`` of ``config.json``, for both APIs. ``pages`` are
    paths of the REST API that are for browsers, by the name that they are announced under.
    """

    websocket_stage: _Stage | None = None
    rest_stage: _Stage | None = None
    base_path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~/-]*$")] | None = None
    stage_variables: dict[str, str] = Field(default_factory=dict)
    domain_name: Annotated[str, Field(min_length=1)] | None = None
    authorizer: str | None = None
    pages: dict[str, Annotated[str, Field(pattern=r"^/[!-~]*$")]] = Field(default_factory=dict)
    authorizer_identity_sources: tuple[
        Annotated[str, AfterValidator(_parsed_by(IdentitySource.parse))], ...
    ] = ()
    callbacks: CallbackSignatures = CallbackSignatures.OPEN
    iam: CallbackSignatures = CallbackSignatures.OPEN
    message_order: MessageOrder = MessageOrder.CONCURRENT
    route_selection_expression: Annotated[str, AfterValidator(_parsed_by(SelectionExpression.parse))] = (
        SELECTION_EXPRESSION
    )
    # Of the routes that Chalice knows, the only one on which messages arrive.
    route_responses: frozenset[Literal["$default"]] = frozenset()
    authorizer_caching: bool = True
    api_keys: frozenset[Annotated[str, Field(min_length=1)]] = frozenset()
    permessage_deflate: bool = False
    allowed_hosts: frozenset[_Host] = frozenset()
    allowed_origins: frozenset[_Origin] = frozenset()
    limits: LimitsTable = LimitsTable()
