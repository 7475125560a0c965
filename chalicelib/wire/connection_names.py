"""Connections by name: which one, and by which API it came in.

An API Gateway knows its own connections only, so an id alone does not say where to post a frame. Where the
settings do not say it for all of them, a connection is recorded and sent about as ``id@host/stage``, and the
host and the stage are those of its own events. Everything else takes a name for an id like any other.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

# {apiId}.execute-api.{region}.amazonaws.com; in China the domain goes on.
_EXECUTE_API: Final = re.compile(
    r"(?P<api_id>[a-z0-9]{1,64})\.execute-api\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d{1,2})\.amazonaws\.com(?:\.cn)?"
)
_STAGE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class UnknownApiError(ValueError):
    """A connection came in by an API, or claims one, that is none of this deployment's."""


@dataclass(frozen=True, slots=True)
class ApiStage:
    """A stage of a WebSocket API, by which connections come in.

    Attributes:
        host: ``{api_id}.execute-api.{region}.amazonaws.com``, also where clients connect to another name.
    """

    host: str
    stage: str

    @property
    def api_id(self) -> str:
        return self.host.partition(".")[0]

    @property
    def region(self) -> str:
        """The region that requests to it are signed for."""
        return self.host.split(".")[2]


def management_url(api: ApiStage, emulator_url: str = "") -> str:
    """Return where a stage's management API is: at API Gateway, or at an emulator that stands in for it."""
    if emulator_url:
        return f"{emulator_url.rstrip('/')}/_aws/execute-api/{api.api_id}/{api.stage}"
    return f"https://{api.host}/{api.stage}"


class ConnectionNames:
    """Names connections, and reads names.

    Args:
        region: Of the functions, for an API whose events name a domain of one's own.
        hosts: The only ones to accept; empty: every API's own.
    """

    def __init__(self, region: str, hosts: Collection[str] = ()) -> None:
        self._region = region
        self._hosts = frozenset(hosts)

    def of_event(self, request_context: Mapping[str, Any]) -> str:
        """Return the name of the connection that an event is about.

        Raises:
            UnknownApiError: Its API is none of the deployment's.
        """
        api_id, domain = str(request_context["apiId"]), str(request_context["domainName"])
        found = _EXECUTE_API.fullmatch(domain)
        if found is None or found["api_id"] != api_id:
            suffix = ".cn" if self._region.startswith("cn-") else ""
            domain = f"{api_id}.execute-api.{self._region}.amazonaws.com{suffix}"
        api_stage = self._checked(domain, str(request_context["stage"]))
        return f"{request_context['connectionId']}@{api_stage.host}/{api_stage.stage}"

    def parse(self, name: str) -> tuple[str, ApiStage]:
        """Return a connection's id and where it came in.

        Raises:
            UnknownApiError: It does not say, or names an API that is none of the deployment's.
        """
        connection_id, _, address = name.rpartition("@")
        host, _, stage = address.partition("/")
        if not connection_id:
            raise UnknownApiError(f"{name} does not say by which API it came in")
        return connection_id, self._checked(host, stage)

    def _checked(self, host: str, stage: str) -> ApiStage:
        if not _EXECUTE_API.fullmatch(host) or not _STAGE.fullmatch(stage):
            raise UnknownApiError(f"{host}/{stage} is no stage of an API Gateway")
        if self._hosts and host not in self._hosts:
            raise UnknownApiError(f"{host} is not among CONNECTIONS_HOSTS")
        return ApiStage(host, stage)
