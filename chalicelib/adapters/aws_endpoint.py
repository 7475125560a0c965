"""Small signed HTTP calls to one AWS endpoint, over connections that are kept.

An order makes eight of them. boto3 takes a millisecond of processor time for one, urllib3 with botocore's signer a
third of that; signer and exchange of our own a twentieth.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from botocore.credentials import Credentials

from chalicelib.adapters.alone import ask_alone, converse_alone
from chalicelib.adapters.kept_sockets import KeptSockets
from chalicelib.adapters.side_by_side import SideBySide
from chalicelib.adapters.signature_v4 import Signer
from chalicelib.adapters.talk import Conversation, OutOfTimeError, Result


class Answer(NamedTuple):
    """What a server said."""

    status: int
    body: bytes


class Endpoint(Protocol):
    """What takes signed requests."""

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> Answer:
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
    """``Endpoint`` over the network; safe to share between threads."""

    def __init__(self, url: str, *, service: str, region: str, credentials: Credentials) -> None:
        address = urlsplit(url)
        self._authority = address.netloc
        self._prefix = address.path.rstrip("/")
        self._signer = Signer(credentials, service, region)
        self._sockets = KeptSockets(address)

    def signed(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Return a request as it is sent, signed now."""
        fields = ("host", self._authority), *headers.items()
        return self._signer.request(method, f"{self._prefix}{path}", fields, body, datetime.now(UTC))

    def converse(
        self,
        conversations: Mapping[str, Conversation[Result]],
        *,
        time_limit_s: float,
        hasty: Collection[str] = (),
    ) -> dict[str, Result]:
        """Hold conversations side by side; return the results of those that ended in their time.

        The ``hasty`` are not waited for once the others have ended.
        """
        if len(conversations) == 1:
            [(key, conversation)] = conversations.items()
            try:
                return {key: converse_alone(self._sockets, conversation, time_limit_s=time_limit_s)}
            except OutOfTimeError:
                return {}
        return SideBySide[str, Result](self._sockets, time_limit_s=time_limit_s).run(conversations, hasty)

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> Answer:
        asked = self.signed(method, path, body, headers)
        found = ask_alone(self._sockets, asked, time_limit_s=time_limit_s)
        return Answer(found.status, found.body)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._sockets.close()
