"""The API Gateway management API: signed HTTP to ``/@connections``, many at once, all of it bounded in time."""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Final
from urllib.parse import quote

from chalicelib.adapters.aws_endpoint import Endpoint, NoAnswerError
from chalicelib.logs import logger
from chalicelib.services.ports import Delivery, Frame

_RETRY_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
_RETRY_DELAY_S: Final = 0.05
_GONE: Final = 410
_BAD_ID: Final = 400


class ManagementApi:
    """``Connections`` on the management API; the time limit covers every try together.

    boto3's client would wait up to a minute for an answer.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        executor: Executor,
        *,
        time_limit_ms: int,
    ) -> None:
        self._endpoint = endpoint
        self._executor = executor
        self._time_limit_s = time_limit_ms / 1000

    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        by_connection: dict[str, list[str]] = {}
        for frame in frames:
            by_connection.setdefault(frame.connection_id, []).append(frame.text)
        if len(by_connection) == 1:
            ((connection_id, texts),) = by_connection.items()
            return {connection_id: self._post_all(connection_id, texts)}
        posted = {
            connection_id: self._executor.submit(self._post_all, connection_id, texts)
            for connection_id, texts in by_connection.items()
        }
        return {connection_id: each.result() for connection_id, each in posted.items()}

    def close(self, connection_id: str) -> None:
        self._once("DELETE", connection_id, b"", self._time_limit_s)

    def _post_all(self, connection_id: str, texts: Sequence[str]) -> Delivery:
        deadline = time.monotonic() + self._time_limit_s
        for text in texts:
            delivery = self._post_one(connection_id, text.encode(), deadline)
            if delivery is not Delivery.DELIVERED:
                return delivery
        return Delivery.DELIVERED

    def _post_one(self, connection_id: str, body: bytes, deadline: float) -> Delivery:
        delay = _RETRY_DELAY_S
        while (left := deadline - time.monotonic()) > 0:
            status = self._once("POST", connection_id, body, left)
            if status == 200:
                return Delivery.DELIVERED
            if status in {_GONE, _BAD_ID}:
                return Delivery.GONE
            if status is not None and status not in _RETRY_STATUSES:
                logger.error("frame refused", connection_id=connection_id, status=status)
                return Delivery.UNDELIVERED
            time.sleep(min(delay, max(0.0, deadline - time.monotonic())))
            delay *= 2
        return Delivery.UNDELIVERED

    def _once(self, method: str, connection_id: str, body: bytes, time_limit_s: float) -> int | None:
        """Return the status of one request; None if there was no answer."""
        path = f"/@connections/{quote(connection_id, safe='')}"
        try:
            return self._endpoint.request(method, path, body, headers={}, time_limit_s=time_limit_s).status
        except NoAnswerError:
            return None
