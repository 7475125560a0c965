"""Small signed HTTP calls to one AWS endpoint, over connections that are kept.

An order makes eight of them. boto3 takes a millisecond of processor time for one, urllib3 with botocore's
signer a third of that; a signer and an HTTP exchange of our own a twentieth.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from botocore.credentials import Credentials

from chalicelib.adapters.aws.concurrent_requests import ConcurrentRequests
from chalicelib.adapters.aws.connection_pool import ConnectionPool
from chalicelib.adapters.aws.http_request import RequestFlow, Result
from chalicelib.adapters.aws.sigv4 import RequestSigner
from chalicelib.adapters.aws.single_request import ask_single


class EndpointAnswer(NamedTuple):
    """What a server said."""

    status: int
    body: bytes


class Endpoint(Protocol):
    """What takes signed requests."""

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> EndpointAnswer:
        """Make one request, once.

        Args:
            path: Percent-encoded, below the endpoint's own.
            headers: Names in lower case; all are signed.

        Raises:
            NotSentError: It did not reach the server.
            NoAnswerError: Nothing was answered; the server may have carried it out.
        """
        ...


class AwsEndpoint:
    """``Endpoint`` over the network; safe to share between threads.

    Args:
        authorities: A file of those that vouch for the server, instead of the system's.
    """

    def __init__(
        self, url: str, *, service: str, region: str, credentials: Credentials, authorities: str = ""
    ) -> None:
        address = urlsplit(url)
        self._authority = address.netloc
        self._prefix = address.path.rstrip("/")
        self._signer = RequestSigner(credentials, service, region)
        self._pool = ConnectionPool(address, authorities=authorities)

    def signed_posts(self, path: str, bodies: Iterable[bytes]) -> list[bytes]:
        """Return a POST with each of the bodies, signed now."""
        fields = (("host", self._authority),)
        return self._signer.requests("POST", f"{self._prefix}{path}", fields, bodies, datetime.now(UTC))

    def converse(
        self,
        flows: Mapping[str, RequestFlow[Result]],
        *,
        time_limit_s: float,
        hasty: Collection[str] = (),
    ) -> dict[str, Result]:
        """Run request flows concurrently; return the results of those that ended in their time.

        The ``hasty`` are not waited for once the others have ended.
        """
        return ConcurrentRequests[str, Result](self._pool, time_limit_s=time_limit_s).run(flows, hasty)

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> EndpointAnswer:
        fields = ("host", self._authority), *headers.items()
        asked = self._signer.request(method, f"{self._prefix}{path}", fields, body, datetime.now(UTC))
        found = ask_single(self._pool, asked, time_limit_s=time_limit_s)
        return EndpointAnswer(found.status, found.body)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pool.close()
