"""The API Gateway management API: signed HTTP to ``/@connections``, many at once, all of it bounded in time."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from chalicelib.adapters.aws_endpoint import AwsEndpoint
from chalicelib.adapters.http_exchange import Exchange
from chalicelib.adapters.talk import Conversation, NoAnswerError, NotSentError, Pause
from chalicelib.adapters.time_left import TimeLeft, time_left
from chalicelib.logs import logger
from chalicelib.services.ports import Delivery, Frame

_RETRY_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
_RETRY_DELAY_S: Final = 0.05
_OK: Final = 200
_GONE: Final = 410
_BAD_ID: Final = 400


class ManagementApi:
    """``Connections`` on the management API; the time limit covers every try together.

    boto3's client would wait up to a minute for an answer.
    """

    def __init__(self, endpoint: AwsEndpoint, *, time_limit_ms: int, time_left: TimeLeft = time_left) -> None:
        self._endpoint = endpoint
        self._time_limit_s = time_limit_ms / 1000
        self._time_left = time_left

    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        by_connection: dict[str, list[str]] = {}
        for frame in frames:
            by_connection.setdefault(frame.connection_id, []).append(frame.text)
        posted = {id_: self._posting(id_, texts) for id_, texts in by_connection.items()}
        limit_s = self._time_left.for_words(self._time_limit_s)
        delivered = self._endpoint.converse(posted, time_limit_s=limit_s)
        return dict.fromkeys(by_connection, Delivery.UNDELIVERED) | delivered

    def close(self, connection_id: str) -> None:
        limit_s = self._time_left.for_words(self._time_limit_s)
        with suppress(NoAnswerError, NotSentError):
            self._endpoint.request("DELETE", _path(connection_id), b"", headers={}, time_limit_s=limit_s)

    def _posting(self, connection_id: str, texts: Sequence[str]) -> Conversation[Delivery]:
        """Post frames one after the other, each until it is taken."""
        path = _path(connection_id)
        for text in texts:
            body, delay_s = text.encode(), _RETRY_DELAY_S
            while (status := _status((yield self._endpoint.signed("POST", path, body, {})))) != _OK:
                if status in {_GONE, _BAD_ID}:
                    return Delivery.GONE
                if status is not None and status not in _RETRY_STATUSES:
                    logger.error("frame refused", connection_id=connection_id, status=status)
                    return Delivery.UNDELIVERED
                yield Pause(delay_s)
                delay_s *= 2
        return Delivery.DELIVERED


@lru_cache(maxsize=1_024)
def _path(connection_id: str) -> str:
    return f"/@connections/{quote(connection_id, safe='')}"


def _status(answer: Exchange | None) -> int | None:
    return None if answer is None else answer.status
