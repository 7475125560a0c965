"""Several APIs as one: each frame goes where its connection came in, and nowhere else."""

from chalicelib.adapters.aws.connections_by_api import ConnectionsByApi
from chalicelib.services.ports import Connections, Delivery, Frame
from chalicelib.wire.connection_names import ApiStage, ConnectionNames
from tests.fakes.ports import FakeConnections

HERE = ApiStage("here.execute-api.us-east-1.amazonaws.com", "api")
THERE = ApiStage("there.execute-api.eu-west-1.amazonaws.com", "api")


class Apis:
    """Fake APIs, made as they are asked for."""

    def __init__(self) -> None:
        self.opened: dict[ApiStage, FakeConnections] = {}
        self.connections = ConnectionsByApi(ConnectionNames("us-east-1"), self._open)

    def _open(self, api: ApiStage) -> Connections:
        assert api not in self.opened
        self.opened[api] = FakeConnections()
        return self.opened[api]


def at(api: ApiStage, connection_id: str) -> str:
    return f"{connection_id}@{api.host}/{api.stage}"


def test_frame_goes_to_the_api_of_its_connection_under_its_own_id() -> None:
    apis = Apis()
    frames = [Frame(at(HERE, "a="), "1"), Frame(at(THERE, "a="), "2"), Frame(at(HERE, "a="), "3")]
    posted = apis.connections.post(frames)
    assert posted == {at(HERE, "a="): Delivery.DELIVERED, at(THERE, "a="): Delivery.DELIVERED}
    assert apis.opened[HERE].frames == {"a=": ["1", "3"]}
    assert apis.opened[THERE].frames == {"a=": ["2"]}


def test_what_became_of_a_frame_is_told_by_its_connections_name() -> None:
    apis = Apis()
    apis.connections.post([Frame(at(HERE, "a="), "1")])
    apis.opened[HERE].slow.add("b=")
    posted = apis.connections.post([Frame(at(HERE, "a="), "2"), Frame(at(HERE, "b="), "2")])
    assert posted == {at(HERE, "a="): Delivery.DELIVERED, at(HERE, "b="): Delivery.UNDELIVERED}


def test_connection_of_no_api_of_ours_counts_as_gone_and_holds_up_no_other() -> None:
    apis = Apis()
    strangers = ["c=", "c=@evil.example.com/api"]
    posted = apis.connections.post([Frame(name, "1") for name in (*strangers, at(HERE, "a="))])
    assert posted == dict.fromkeys(strangers, Delivery.GONE) | {at(HERE, "a="): Delivery.DELIVERED}
    assert list(apis.opened) == [HERE]
    for name in strangers:
        apis.connections.close(name)


def test_connection_is_closed_at_its_own_api() -> None:
    apis = Apis()
    apis.connections.close(at(THERE, "a="))
    assert apis.opened[THERE].gone == {"a="}
