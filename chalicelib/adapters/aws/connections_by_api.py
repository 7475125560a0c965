"""The management APIs of several stages and regions as one.

Each connection is reached by the one it came by.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from threading import Lock
from typing import Final

from chalicelib.logs import logger
from chalicelib.services.ports import Connections, Delivery, Frame
from chalicelib.wire.connection_names import ApiStage, ConnectionNames, UnknownApiError

_APIS_MAX: Final = 32
"""Kept open; one that is needed again after that many others is opened anew."""


class ConnectionsByApi:
    """``Connections`` by name.

    APIs are served one after the other, each within its own time limit: few deployments have a second one.

    Args:
        open_api: Makes what posts to one stage.
    """

    def __init__(self, names: ConnectionNames, open_api: Callable[[ApiStage], Connections]) -> None:
        self._names = names
        self._open_api = open_api
        self._apis: OrderedDict[ApiStage, Connections] = OrderedDict()
        self._lock = Lock()

    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        deliveries: dict[str, Delivery] = {}
        by_api: dict[ApiStage, dict[str, str]] = {}
        sent: dict[ApiStage, list[Frame]] = {}
        for frame in frames:
            name = frame.connection_id
            try:
                connection_id, api = self._names.parse(name)
            except UnknownApiError as error:
                # $connect lets none in that is not ours. What is left on record of an earlier deployment
                # is forgotten, as one is that has hung up.
                logger.error("connection of no API of ours", connection_id=name, reason=str(error))
                deliveries[name] = Delivery.GONE
                continue
            by_api.setdefault(api, {})[connection_id] = name
            sent.setdefault(api, []).append(replace(frame, connection_id=connection_id))
        for api, named in by_api.items():
            posted = self._api(api).post(sent[api])
            deliveries |= {named[connection_id]: delivery for connection_id, delivery in posted.items()}
        return deliveries

    def close(self, connection_id: str) -> None:
        try:
            own_id, api = self._names.parse(connection_id)
        except UnknownApiError as error:
            logger.error("connection of no API of ours", connection_id=connection_id, reason=str(error))
            return
        self._api(api).close(own_id)

    def _api(self, api: ApiStage) -> Connections:
        with self._lock:
            found = self._apis.pop(api, None) or self._open_api(api)
            self._apis[api] = found
            if len(self._apis) > _APIS_MAX:
                self._apis.popitem(last=False)
            return found
