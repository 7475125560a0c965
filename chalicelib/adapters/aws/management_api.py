"""The API Gateway management API: signed HTTP to ``/@connections``, many at once,
all of it bounded in time.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from chalicelib.adapters.aws.endpoint import AwsEndpoint
from chalicelib.adapters.aws.http_request import Answers, NoAnswerError, NotSentError, Pause, RequestFlow
from chalicelib.adapters.aws.slow_connections import SlowConnections
from chalicelib.adapters.time_left import time_left
from chalicelib.logs import logger
from chalicelib.services.ports import Delivery, Frame

_RETRY_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
_RETRY_DELAY_S: Final = 0.05
_TOGETHER_MAX: Final = 8
"""Posts to one connection that are sent before the first of them is answered."""
_OK: Final = 200
_GONE: Final = 410
_BAD_ID: Final = 400


class ManagementApi:
    """``Connections`` on the management API; the time limit covers every try together.

    boto3's client would wait up to a minute for an answer. Nor do the others wait for one that does not read:
    it gets what time they take, and has one try a frame from then on until it takes one.
    """

    def __init__(self, endpoint: AwsEndpoint, *, time_limit_ms: int) -> None:
        self._endpoint = endpoint
        self._time_limit_s = time_limit_ms / 1000
        self._slow_connections = SlowConnections()
        self._together_max = _TOGETHER_MAX

    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        by_connection: dict[str, list[str]] = {}
        for frame in frames:
            by_connection.setdefault(frame.connection_id, []).append(frame.text)
        tried, hasty, slow = by_connection, set[str](), self._slow_connections
        if slow.has_any:
            # A single connection keeps no other waiting, and its frame may be an answer that nothing repeats.
            if len(tried) > 1:
                tried = {id_: texts for id_, texts in tried.items() if not slow.is_left_out(id_)}
            hasty = {id_ for id_ in tried if slow.is_slow(id_)}
        answered: dict[str, int | None] = {}
        posted = {
            id_: self._posting(id_, texts, answered, is_patient=id_ not in hasty)
            for id_, texts in tried.items()
        }
        limit_s = time_left.for_words(self._time_limit_s)
        delivered = self._endpoint.converse(posted, time_limit_s=limit_s, hasty=hasty)
        deliveries = dict.fromkeys(by_connection, Delivery.UNDELIVERED) | delivered
        if slow.has_any or Delivery.UNDELIVERED in deliveries.values():
            for id_, last_status in answered.items():
                if deliveries[id_] is Delivery.UNDELIVERED:
                    slow.failed(id_, was_silent=last_status is None)
                else:
                    slow.took(id_)
        return deliveries

    def close(self, connection_id: str) -> None:
        limit_s = time_left.for_words(self._time_limit_s)
        with suppress(NoAnswerError, NotSentError):
            self._endpoint.request("DELETE", _path(connection_id), b"", headers={}, time_limit_s=limit_s)

    def _posting(
        self, connection_id: str, texts: Sequence[str], answered: dict[str, int | None], *, is_patient: bool
    ) -> RequestFlow[Delivery]:
        """Post frames in order, each until it is taken; note in ``answered`` what was answered last."""
        path, left, delay_s = _path(connection_id), texts, _RETRY_DELAY_S
        answered[connection_id] = None
        while left:
            # In one piece (RFC 9112, 9.3.2): a connection has three frames of an order at once, and each
            # piece is a round trip and two system calls on either side. Should one be repeated or overtaken
            # after a failure, clients go by ``seq``.
            go, left = left[: self._together_max], left[self._together_max :]
            try:
                asked = self._endpoint.signed_posts(path, [text.encode() for text in go])
            except NotSentError as error:
                logger.warning("frames not signed", reason=str(error))
                answered[connection_id] = 0  # which says nothing about the client either
                return Delivery.UNDELIVERED
            answers = yield asked
            statuses, failed = self._statuses(answers, len(go)), []
            for text, status in zip(go, statuses, strict=True):
                if status == _OK:
                    continue
                # A connection to the service that fails says nothing about the client's.
                answered[connection_id] = status or 0
                if status in {_GONE, _BAD_ID}:
                    return Delivery.GONE
                if status is not None and status not in _RETRY_STATUSES:
                    logger.error("frame refused", connection_id=connection_id, status=status)
                    return Delivery.UNDELIVERED
                failed.append(text)
            if len(failed) < len(go):
                delay_s = _RETRY_DELAY_S
            if failed:
                if not is_patient:
                    return Delivery.UNDELIVERED
                yield Pause(delay_s)
                delay_s *= 2
            left = [*failed, *left]
        return Delivery.DELIVERED

    def _statuses(self, answers: Answers, asked: int) -> list[int | None]:
        """Return the status of each post of one piece; None if no answer came."""
        statuses: list[int | None] = [answer.status for answer in answers]
        if len(statuses) < asked:
            if statuses:
                # It answers one request and hangs up: so it gets no more than one from now on.
                self._together_max = 1
            statuses += [None] * (asked - len(statuses))
        return statuses


@lru_cache(maxsize=1_024)
def _path(connection_id: str) -> str:
    return f"/@connections/{quote(connection_id, safe='')}"
