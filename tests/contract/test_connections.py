"""What every ``Connections`` promises; the real one against a small HTTP server."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote
from uuid import uuid4

import pytest
from botocore.credentials import Credentials

from chalicelib.adapters.aws.endpoint import AwsEndpoint
from chalicelib.adapters.aws.management_api import ManagementApi
from chalicelib.domain.queue_messages import SubscribeMessage
from chalicelib.services.delivery.publisher import CAUGHT_UP_SOON_MAX, EventPublisher
from chalicelib.services.delivery.replay import ReplayOrders, Subscriber
from chalicelib.services.ports import Connections, Delivery, Frame
from tests.contract.records import in_memory
from tests.fakes.orders import LIFE, VIEWS, an_order
from tests.fakes.ports import FakeConnections, FakeQueue, FrozenClock


@dataclass
class Peers:
    """Answers to give by connection id, 200 unless listed, each list used up in turn; and what arrived."""

    answers: dict[str, list[int]] = field(default_factory=dict)
    received: dict[str, list[str]] = field(default_factory=dict)
    tries: Counter[str] = field(default_factory=Counter)
    silent: dict[str, threading.Event] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)
    closes: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, connection_id: str, text: str) -> int:
        with self.lock:
            self.tries[connection_id] += 1
            waiting = self.answers.get(connection_id, [])
            status = (waiting.pop(0) if len(waiting) > 1 else waiting[0]) if waiting else 200
            if status == 200:
                self.received.setdefault(connection_id, []).append(text)
            return status


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100


def handler_for(peers: Peers) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            peers.headers.append(dict(self.headers.items()) | {"from": str(self.client_address)})
            if silence := peers.silent.get(unquote(self.path).removeprefix("/ws/@connections/")):
                silence.wait()
            self.close_connection = peers.closes
            self.send_response(peers.answer(unquote(self.path).removeprefix("/ws/@connections/"), text))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_DELETE(self) -> None:
            peers.answers[unquote(self.path).removeprefix("/ws/@connections/")] = [410]
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
            """Say nothing."""

    return Handler


@pytest.fixture
def peers() -> Peers:
    return Peers()


@pytest.fixture
def api(peers: Peers) -> Iterator[Callable[[int], ManagementApi]]:
    """A function that returns the adapter with a time limit in milliseconds."""
    server = Server(("127.0.0.1", 0), handler_for(peers))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/ws"
    credentials = Credentials("key", "secret")
    made: list[AwsEndpoint] = []

    def make(time_limit_ms: int) -> ManagementApi:
        made.append(AwsEndpoint(url, service="execute-api", region="us-east-1", credentials=credentials))
        return ManagementApi(made[-1], time_limit_ms=time_limit_ms)

    yield make
    for each in made:
        each.close()
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class World:
    """A port, and the means to make peers go and to see what they received."""

    port: Connections
    go: Callable[[str], None]
    received: Callable[[str], list[str]]


@pytest.fixture(params=["fake", "http"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        fake = FakeConnections()
        return World(fake, fake.gone.add, lambda id_: fake.frames.get(id_, []))
    peers: Peers = request.getfixturevalue("peers")
    port = request.getfixturevalue("api")(5_000)
    return World(
        port, lambda id_: peers.answers.update({id_: [410]}), lambda id_: peers.received.get(id_, [])
    )


def test_frames_arrive_in_order_at_each_connection(world: World) -> None:
    frames = [Frame(connection, f"{n}") for n in range(20) for connection in ("a=", "b=", "c/+")]
    assert world.port.post(frames) == dict.fromkeys(("a=", "b=", "c/+"), Delivery.DELIVERED)
    for connection in ("a=", "b=", "c/+"):
        assert world.received(connection) == [f"{n}" for n in range(20)]


def test_gone_connection_is_told_apart_and_disturbs_no_other(world: World) -> None:
    world.go("gone=")
    deliveries = world.port.post([Frame("gone=", "1"), Frame("here=", "2"), Frame("gone=", "3")])
    assert deliveries == {"gone=": Delivery.GONE, "here=": Delivery.DELIVERED}
    assert (world.received("gone="), world.received("here=")) == ([], ["2"])


def test_closed_connection_is_gone(world: World) -> None:
    world.port.close("a=")
    world.port.close("a=")
    assert world.port.post([Frame("a=", "1")]) == {"a=": Delivery.GONE}


def test_text_arrives_byte_for_byte(world: World) -> None:
    world.port.post([Frame("a=", 'é\u2028"\\🎈')])
    assert world.received("a=") == ['é\u2028"\\🎈']


def test_nothing_to_post_is_nothing_delivered(world: World) -> None:
    assert world.port.post([]) == {}


def test_server_that_answers_one_request_and_hangs_up_gets_no_more_than_one_at_a_time(
    peers: Peers, api: Callable[[int], ManagementApi]
) -> None:
    peers.closes = True
    port = api(5_000)
    for _ in range(2):
        assert port.post([Frame(to, text) for to in ("a=", "b=") for text in "123"]) == {
            "a=": Delivery.DELIVERED,
            "b=": Delivery.DELIVERED,
        }
    assert peers.received == {"a=": list("123123"), "b=": list("123123")}


def test_frames_that_were_refused_among_others_are_sent_again_and_no_other_is(
    peers: Peers, api: Callable[[int], ManagementApi]
) -> None:
    peers.answers["a="] = [200, 429, 200]
    assert api(5_000).post([Frame("a=", text) for text in "123"]) == {"a=": Delivery.DELIVERED}
    assert sorted(peers.received["a="]) == ["1", "2", "3"]


@pytest.mark.parametrize("passing", [429, 500, 503, 504])
def test_passing_refusal_is_tried_again_with_the_same_frame(
    peers: Peers, api: Callable[[int], ManagementApi], passing: int
) -> None:
    peers.answers["a="] = [passing, passing, 200]
    assert api(5_000).post([Frame("a=", "1"), Frame("a=", "2")]) == {"a=": Delivery.DELIVERED}
    assert peers.received["a="] == ["1", "2"]


def test_refusal_that_lasts_is_undelivered_and_the_rest_is_not_tried(
    peers: Peers, api: Callable[[int], ManagementApi]
) -> None:
    peers.answers["a="] = [503]
    assert api(200).post([Frame("a=", "1"), Frame("a=", "2")]) == {"a=": Delivery.UNDELIVERED}
    assert peers.received == {}


def test_refusal_that_lasts_does_not_keep_frames_from_others(
    peers: Peers, api: Callable[[int], ManagementApi]
) -> None:
    peers.answers["a="] = [503]
    many = [f"{number}=" for number in range(40)]
    deliveries = api(600).post([Frame(connection, "1") for connection in ["a=", *many]])
    assert deliveries == dict.fromkeys(many, Delivery.DELIVERED) | {"a=": Delivery.UNDELIVERED}


def test_connection_that_failed_a_moment_ago_has_one_try_and_all_tries_again_once_it_took_a_frame(
    peers: Peers, api: Callable[[int], ManagementApi]
) -> None:
    port = api(600)
    peers.answers["a="] = [429]
    port.post([Frame("a=", "1")])
    tried = peers.tries["a="]
    for number in range(5):
        frames = [Frame("a=", "1"), Frame("b=", f"{number}")]
        assert port.post(frames) == {"a=": Delivery.UNDELIVERED, "b=": Delivery.DELIVERED}
    assert (tried > 1, peers.tries["a="]) == (True, tried + 5)
    peers.answers["a="] = [200]
    assert port.post([Frame("a=", "1")]) == {"a=": Delivery.DELIVERED}
    peers.answers["a="] = [429, 429, 200]
    assert port.post([Frame("a=", "2")]) == {"a=": Delivery.DELIVERED}


def test_connection_on_which_nothing_was_answered_is_left_out_for_a_moment(
    peers: Peers, api: Callable[[int], ManagementApi]
) -> None:
    port = api(300)
    peers.silent["a="] = threading.Event()
    for number in range(5):
        frames = [Frame("a=", "1"), Frame("b=", f"{number}")]
        assert port.post(frames) == {"a=": Delivery.UNDELIVERED, "b=": Delivery.DELIVERED}
    peers.silent["a="].set()
    # Each of the other posts would have been another try.
    assert peers.tries["a="] <= 1
    assert port.post([Frame("a=", "an answer")]) == {"a=": Delivery.DELIVERED}


def test_subscriber_that_does_not_read_holds_nobody_up_and_misses_nothing(
    peers: Peers, api: Callable[[int], ManagementApi]
) -> None:
    store, port, queue = in_memory(), api(5_000), FakeQueue()
    for connection in ("trader=", "slow="):
        store.connected(connection, False)
    publisher = EventPublisher(store.subscriptions, port, queue, VIEWS)
    replay_orders = ReplayOrders(
        store.subscriptions, store.queries, port, FrozenClock(), VIEWS, lookup_wait_ms=200
    )
    peers.answers["slow="] = [429]
    orders = []
    for _ in range(CAUGHT_UP_SOON_MAX + 10):
        claimed = store.created(an_order(), connection_id="trader=")
        orders.append(claimed.state.order)
        store.subscriptions.begin_replay(
            "slow=", "alice", orders[-1].order_id, replay_id=(replay := uuid4()), after_seq=2
        )
        store.subscriptions.go_live("slow=", orders[-1].order_id, replay_id=replay, seq=2)
        for status in LIFE[2:]:
            claimed = store.moved(claimed, status)
            events = store.queries.events_after(orders[-1].order_id, claimed.state.seq - 1, limit=9)
            publisher.publish([(orders[-1], events)])
    # All tries for the first frame, and one for each order from then on.
    assert peers.tries["slow="] < 2 * len(orders)
    assert seqs(peers, "trader=") == {str(order.order_id): [3, 4, 5, 6] for order in orders}
    assert seqs(peers, "slow=") == {}
    peers.answers.clear()
    # Some by messages, and by the sweep what is left: each order once.
    soon = {message.order_id for message in queue.messages if isinstance(message, SubscribeMessage)}
    assert len(soon) == len(queue.messages) == CAUGHT_UP_SOON_MAX
    for each in store.subscriptions.of_orders(orders):
        if each.connection_id == "slow=":
            assert not each.live
            replay_orders.replay(Subscriber("slow=", "alice"), each.order_id, after_seq=each.replayed_to)
    assert seqs(peers, "slow=") == {str(order.order_id): [3, 4, 5, 6] for order in orders}


def seqs(peers: Peers, connection_id: str) -> dict[str, list[int]]:
    """The numbers of the events that a connection received, by order."""
    found: dict[str, list[int]] = {}
    for text in peers.received.get(connection_id, []):
        frame = json.loads(text)
        found.setdefault(frame["orderId"], []).append(frame["seq"])
    return found


def test_final_refusal_is_undelivered_at_once(peers: Peers, api: Callable[[int], ManagementApi]) -> None:
    peers.answers["a="] = [413, 200]
    assert api(5_000).post([Frame("a=", "1")]) == {"a=": Delivery.UNDELIVERED}


def test_gateway_that_does_not_answer_is_undelivered() -> None:
    nobody = AwsEndpoint(
        "http://127.0.0.1:9",
        service="execute-api",
        region="us-east-1",
        credentials=Credentials("key", "secret"),
    )
    port = ManagementApi(nobody, time_limit_ms=200)
    assert port.post([Frame("a=", "1")]) == {"a=": Delivery.UNDELIVERED}


def test_connection_is_kept_and_replaced_when_the_gateway_has_closed_it(
    peers: Peers, api: Callable[[int], ManagementApi]
) -> None:
    port = api(5_000)
    for number in range(3):
        assert port.post([Frame("a=", f"{number}")]) == {"a=": Delivery.DELIVERED}
    assert len({headers["from"] for headers in peers.headers}) == 1
    peers.closes = True
    for number in range(3, 5):
        assert port.post([Frame("a=", f"{number}")]) == {"a=": Delivery.DELIVERED}
    assert peers.received["a="] == ["0", "1", "2", "3", "4"]


def test_requests_are_signed_for_the_management_api(
    peers: Peers, api: Callable[[int], ManagementApi]
) -> None:
    api(5_000).post([Frame("a=", "1")])
    (headers,) = peers.headers
    assert "/us-east-1/execute-api/aws4_request" in headers["authorization"]
