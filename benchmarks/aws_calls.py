"""What the engine's own HTTP and signatures cost beside the libraries': ``python -m benchmarks.aws_calls``.

A server in a process of its own answers each request at once, so what is measured is the client: its
processor time for one call, and how long sixty posts to ten connections take, which is what a batch of ten
orders has to say. ``docs/adr/0013-http-of-our-own.md`` draws the conclusion.
"""

import asyncio
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from statistics import median
from typing import Final

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from benchmarks.environment import environment_lines, take_no_options
from chalicelib.adapters.aws.endpoint import AwsEndpoint
from chalicelib.adapters.aws.management_api import ManagementApi
from chalicelib.services.ports import Frame

CALLS: Final = 400
ROUNDS: Final = 7
CONNECTIONS: Final = 10
FRAMES: Final = 6
BODY: Final = b"x" * 400
REGION: Final = "us-east-1"
CREDENTIALS: Final = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
IMPORTS: Final = {
    "ours": "import chalicelib.adapters.aws.endpoint",
    "urllib3 + botocore": "import urllib3, botocore.auth, botocore.awsrequest",
    "boto3": "import boto3",
}


class _Answering(asyncio.Protocol):
    """Answers 200 to every request whose body is ``BODY``; a request comes in one piece or in two."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(BODY):
            self._received = b""
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


def _serve(told: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def _server() -> Iterator[str]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()


def _ours(url: str) -> Callable[[str], None]:
    endpoint = AwsEndpoint(url, service="execute-api", region=REGION, credentials=CREDENTIALS)

    def call(connection_id: str) -> None:
        endpoint.request("POST", f"/@connections/{connection_id}", BODY, headers={}, time_limit_s=5)

    return call


def _urllib3(url: str) -> Callable[[str], None]:
    pool = urllib3.PoolManager(maxsize=CONNECTIONS)
    signer = SigV4Auth(CREDENTIALS, "execute-api", REGION)

    def call(connection_id: str) -> None:
        request = AWSRequest("POST", f"{url}/@connections/{connection_id}", data=BODY)
        signer.add_auth(request)
        prepared = request.prepare()
        pool.request("POST", prepared.url, body=BODY, headers=dict(prepared.headers), retries=False)

    return call


def _boto3(url: str) -> Callable[[str], None]:
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS.access_key,
        aws_secret_access_key=CREDENTIALS.secret_key,
        config=Config(max_pool_connections=CONNECTIONS),
    )

    def call(connection_id: str) -> None:
        client.post_to_connection(ConnectionId=connection_id, Data=BODY)

    return call


CLIENTS: Final[Mapping[str, Callable[[str], Callable[[str], None]]]] = {
    "ours": _ours,
    "urllib3 + botocore": _urllib3,
    "boto3": _boto3,
}


def _one_by_one(call: Callable[[str], None]) -> float:
    """Return the processor time of one call, in µs."""
    started = time.process_time()
    for _ in range(CALLS):
        call("connection-1")
    return (time.process_time() - started) / CALLS * 1e6


def _threads(call: Callable[[str], None]) -> Callable[[], None]:
    """Return a batch's posts with a thread for each connection,
    which keeps a connection's frames in order.
    """
    executor = ThreadPoolExecutor(CONNECTIONS)

    def post_all(connection_id: str) -> None:
        for _ in range(FRAMES):
            call(connection_id)

    def batch() -> None:
        list(executor.map(post_all, (f"connection-{index}" for index in range(CONNECTIONS))))

    return batch


def _one_thread(url: str) -> Callable[[], None]:
    endpoint = AwsEndpoint(url, service="execute-api", region=REGION, credentials=CREDENTIALS)
    api = ManagementApi(endpoint, time_limit_ms=5_000)
    frames = [
        Frame(f"connection-{index}", BODY.decode()) for _ in range(FRAMES) for index in range(CONNECTIONS)
    ]

    def batch() -> None:
        api.post(frames)

    return batch


def _batches(batches: Mapping[str, Callable[[], None]]) -> Mapping[str, tuple[float, float]]:
    """Return wall and processor time of a batch's posts, in ms, the clients taking turns."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in batches}
    for _ in range(ROUNDS * 3):
        for name, batch in batches.items():
            wall, cpu = time.perf_counter(), time.process_time()
            batch()
            seen[name].append(((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3))
    return {name: (median(w for w, _ in each), median(c for _, c in each)) for name, each in seen.items()}


def _import_ms(code: str) -> float:
    def once() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return (time.perf_counter() - started) * 1e3

    return median(once() for _ in range(ROUNDS)) - median(_bare() for _ in range(ROUNDS))


def _bare() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True)
    return (time.perf_counter() - started) * 1e3


def _row(name: str, figures: Sequence[str]) -> str:
    return f"{name:<22}" + "".join(f"{figure:>22}" for figure in figures)


def main() -> None:
    take_no_options(__doc__)
    for line in environment_lines():
        print(line)
    with _server() as url:
        calls = {name: make(url) for name, make in CLIENTS.items()}
        for call in calls.values():
            call("connection-1")
        one = {name: [] for name in calls}  # type: dict[str, list[float]]
        for _ in range(ROUNDS):
            for name, call in calls.items():
                one[name].append(_one_by_one(call))
        batches = {"ours": _one_thread(url)} | {
            name: _threads(call) for name, call in calls.items() if name != "ours"
        }
        together = _batches(batches)
    print(_row("", ["a call, CPU µs", "60 posts, wall ms", "60 posts, CPU ms", "import, ms"]))
    for name in CLIENTS:
        wall, cpu = together[name]
        figures = [
            f"{median(one[name]):.0f}",
            f"{wall:.1f}",
            f"{cpu:.1f}",
            f"{_import_ms(IMPORTS[name]):.0f}",
        ]
        print(_row(name, figures))


if __name__ == "__main__":
    main()
