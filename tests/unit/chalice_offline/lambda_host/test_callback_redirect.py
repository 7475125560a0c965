"""Callbacks reach the gateway without TLS, by whatever client, made at import or later,
imported before or after.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chalice_offline.lambda_host import callback_redirect
from chalice_offline.lambda_host.callback_redirect import LocalManagementApi

PRELUDE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("redirect", sys.argv[1])
redirect = importlib.util.module_from_spec(spec)
spec.loader.exec_module(redirect)
HERE, ENDPOINT = sys.argv[2], f"http://{sys.argv[2]}/ws"
"""
DEPLOYED = "abc.execute-api.us-east-1.amazonaws.com"
POST = "ConnectionId='c', Data=b'x'"
BOTO3 = "boto3.client('apigatewaymanagementapi', region_name='us-east-1', endpoint_url={url})"
CHALICE = """
import boto3
from chalice import Chalice
app = Chalice("x")
app.websocket_api.session = boto3.Session(region_name="us-east-1")
app.websocket_api.configure({domain}, {stage})
app.websocket_api.send("c", "x")
"""
BOTO3_POST = f"import boto3\n{BOTO3}.post_to_connection({POST})"
# Each posts once to /STAGE/@connections/c.
CLIENTS = {
    "chalice at import": CHALICE.format(domain="'local'", stage="'ws'"),
    "chalice as deployed": CHALICE.format(domain=repr(DEPLOYED), stage="'prod'"),
    "chalice by event": CHALICE.format(domain="HERE", stage="'ws'"),
    "boto3": BOTO3_POST.format(url="f'https://{HERE}/ws'"),
    "boto3 as deployed": BOTO3_POST.format(url=f"'https://{DEPLOYED}/prod'"),
    "botocore": "import botocore.session\n"
    "session = botocore.session.get_session()\n"
    "client = session.create_client('apigatewaymanagementapi', 'us-east-1', endpoint_url=f'https://{HERE}/ws')\n"
    f"client.post_to_connection({POST})",
    "requests": "import requests\nrequests.post(f'https://{HERE}/ws/@connections/c', data=b'x')",
    "urllib": "import urllib.request\n"
    "urllib.request.urlopen(f'https://{HERE}/ws/@connections/c', data=b'x').read()",
    "urllib3": "import urllib3\n"
    "urllib3.PoolManager().request('POST', f'https://{HERE}/ws/@connections/c', body=b'x')",
    "httpx": "import httpx\nhttpx.post(f'https://{HERE}/ws/@connections/c', content=b'x')",
    "asyncio": """
import asyncio, ssl
async def main():
    host, port = HERE.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=ssl.create_default_context())
    writer.write(b"POST /ws/@connections/c HTTP/1.0\\r\\nContent-Length: 1\\r\\n\\r\\nx")
    await reader.read()
    writer.close()
asyncio.run(main())
""",
}
IMPORTS = (
    "import asyncio, boto3, botocore.session, chalice.app, httpx, requests, ssl, urllib3, urllib.request\n"
)


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Recorder)
        self.asked: list[str] = []


class Recorder(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.asked.append(self.path.replace("%40", "@"))
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class has it so
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def run(script: str, port: int) -> None:
    environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    place = str(Path(str(callback_redirect.__file__)))
    command = (sys.executable, "-P", "-c", PRELUDE + script, place, f"127.0.0.1:{port}")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["chalice at import", "boto3 as deployed", "requests", "asyncio"])
def test_client_that_is_imported_afterwards_reaches_the_gateway(gateway: Server, name: str) -> None:
    run(f"redirect.install(ENDPOINT)\n{CLIENTS[name]}", gateway.server_port)
    assert gateway.asked == ["/ws/@connections/c"]


def test_clients_that_were_imported_before_reach_the_gateway(gateway: Server) -> None:
    together = "\n".join(f"exec({json.dumps(client)})" for client in CLIENTS.values())
    run(f"{IMPORTS}redirect.install(ENDPOINT)\n{together}", gateway.server_port)
    assert gateway.asked == ["/ws/@connections/c"] * len(CLIENTS)


OLDER = """
import os
import botocore.session as older
os.environ |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:2"}
create = older.Session.create_client

def create_client(self, *args, **named):
    self._add_configured_endpoint_provider = lambda **_: None
    return create(self, *args, **named)

older.Session.create_client = create_client
del older.Session._add_configured_endpoint_provider
redirect.install(ENDPOINT)
import boto3
session = boto3.Session(region_name="us-east-1")
assert session.client("sqs").meta.endpoint_url == "http://127.0.0.1:1"
assert session.client("lambda").meta.endpoint_url == "http://127.0.0.1:2"
assert session.resource("s3", endpoint_url="http://x.test").meta.client.meta.endpoint_url == "http://x.test"
"""


def test_botocore_that_knows_no_endpoint_by_a_variable_is_given_it(gateway: Server) -> None:
    run(OLDER, gateway.server_port)


NAMES_AWS = """
import os
os.environ |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:2"}
redirect.install(ENDPOINT)
import boto3
def goes_to(service, url, **named):
    return boto3.Session(region_name="eu-west-1").client(service, endpoint_url=url, **named).meta.endpoint_url
assert goes_to("dynamodb", "https://dynamodb.eu-west-1.amazonaws.com") == "http://127.0.0.1:1"
assert goes_to("s3", "https://S3.cn-north-1.AmazonAWS.com.cn/") == "http://127.0.0.1:1"
assert goes_to("sns", "https://sns.us-east-1.api.aws") == "http://127.0.0.1:1"
assert goes_to("sqs", "https://eu-west-1.queue.amazonaws.com") == "http://127.0.0.1:2"
for other in ("http://127.0.0.1:9", "https://amazonaws.com.test", "https://s3.example.com/x.amazonaws.com"):
    assert goes_to("s3", other) == other
keys = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "s"}
mine = "https://s3.eu-west-1.amazonaws.com"
assert goes_to("s3", mine, **keys) == mine
for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"):
    del os.environ[name]
assert goes_to("s3", mine) == mine
"""


def test_client_that_names_an_endpoint_of_aws_goes_to_the_emulator_unless_it_has_keys_for_it(
    gateway: Server,
) -> None:
    run(NAMES_AWS, gateway.server_port)


def test_wrong_stage_of_the_gateway_itself_stays_wrong(gateway: Server) -> None:
    client = CHALICE.format(domain="HERE", stage="'prod'")
    run(f"redirect.install(ENDPOINT)\n{client}", gateway.server_port)
    assert gateway.asked == ["/prod/@connections/c"]


def test_other_servers_still_get_tls(gateway: Server) -> None:
    script = """
import ssl, urllib.request
redirect.install("http://127.0.0.1:1/ws")
try:
    urllib.request.urlopen(f"https://{HERE}/")
except OSError as error:
    assert "SSL" in str(error), error
else:
    raise AssertionError("answered")
"""
    run(script, gateway.server_port)
    assert gateway.asked == []


@pytest.mark.parametrize(
    ("url", "redirected"),
    [
        ("https://127.0.0.1:3000/ws", "http://127.0.0.1:3000/ws"),
        ("https://localhost:3000/other", "http://127.0.0.1:3000/other"),
        ("https://127.0.0.1/ws", "http://127.0.0.1:3000/ws"),
        (f"https://{DEPLOYED}/prod", "http://127.0.0.1:3000/ws"),
        ("http://127.0.0.1:9999/x", "http://127.0.0.1:9999/x"),
    ],
)
def test_only_https_is_redirected(url: str, redirected: str) -> None:
    assert LocalManagementApi("http://127.0.0.1:3000/ws").redirected(url) == redirected


@pytest.mark.parametrize(("host", "is_it"), [("192.168.1.2", True), ("127.0.0.1", False), (None, False)])
def test_gateway_on_another_address_is_known_by_it(host: str | None, is_it: bool) -> None:
    assert LocalManagementApi("http://192.168.1.2:3000/ws").is_at(host, 3000) is is_it
