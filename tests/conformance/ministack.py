"""The probe app in MiniStack, an emulator of other people's, through the API that AWS has."""

import io
import os
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3

from tests.conformance.in_process import PROBE_APP
from tests.support.ports import free_port

READY_TIME_LIMIT_S = 120.0
STAGE = "ws"
# What each route of the probe is called on AWS.
HANDLERS = {"$connect": "app.connect", "$default": "app.message", "$disconnect": "app.disconnect"}

# Behaviours of API Gateway that MiniStack 1.5.33 does not share, by the test that shows them.
DIFFERENCES = {
    "test_close_code_of_the_client_reaches_disconnect": "$disconnect always gets 1006",
    "test_close_without_a_code_is_1005": "$disconnect always gets 1006",
    "test_delete_closes_with_1000_and_runs_disconnect": "the client is given no reason",
    "test_ids_are_eleven_bytes_of_url_safe_base64": "ids are 16 hexadecimal digits",
    "test_request_context_has_the_common_fields": "messageDirection is missing",
    "test_connected_at_is_the_same_in_every_event": "connectedAt is the time of the event",
    "test_connect_event_has_the_handshake": "header names are in lower case",
    "test_connect_event_without_a_query_has_no_query_fields": "query fields are null",
    "test_disconnect_event_has_code_reason_and_few_headers": "DISCONNECT has no headers",
    "test_other_status_from_connect_is_the_clients_answer": "always 403",
    "test_exception_in_connect_is_502": "always 403",
    "test_subprotocol_of_the_connect_answer_is_the_one_agreed": "the header is dropped",
    "test_unknown_stage_is_refused": "any stage is accepted",
    "test_url_beyond_4096_characters_is_refused": "no limit",
    "test_frame_beyond_32_kb_closes_with_1009": "no limit",
    "test_message_beyond_128_kb_closes_with_1009": "no limit",
    "test_binary_message_closes_with_1003": "decoded as text",
    "test_get_describes_the_connection": "fields in PascalCase, which botocore does not find",
    "test_malformed_connection_id_is_a_bad_request": "410",
    "test_long_post_arrives_in_frames_of_32_kb": "one frame",
    "test_post_beyond_128_kb_is_too_large": "no limit",
    "test_body_of_the_handler_is_discarded": "the body is always sent to the client",
    "test_exception_in_a_handler_gives_an_error_frame": "the client is sent the error's text",
}


@contextmanager
def probe_in_ministack(directory: Path) -> Iterator[str]:
    """Run MiniStack and deploy the probe into it; give the address of its WebSocket API."""
    records, scratch = directory / "records", directory / "scratch"
    records.mkdir()
    scratch.mkdir()
    endpoint = f"http://127.0.0.1:{(port := free_port())}"
    environment = {**os.environ, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "TMPDIR": str(scratch)}
    # Its MQTT listener would take port 8883 of every address.
    environment |= {
        "IOT_MTLS_ENABLED": "0",
        "PERSIST_STATE": "0",
        "STATE_DIR": str(scratch),
        "LOG_LEVEL": "WARNING",
    }
    with (
        (directory / "log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "ministack"], env=environment, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            _wait_until_healthy(process, endpoint)
            api_id = _deploy(endpoint, records)
            yield f"{endpoint.replace('http', 'ws')}/_aws/execute-api/{api_id}/{STAGE}"
        finally:
            process.terminate()


def _deploy(endpoint: str, records: Path) -> str:
    """Create functions, API, routes and stage as ``chalice deploy`` does; return the API's id."""
    options: dict[str, Any] = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    gateway = boto3.client("apigatewayv2", **options)
    api_id: str = gateway.create_api(
        Name="probe", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    address = f"{endpoint}/_aws/execute-api/{api_id}/{{stage}}"
    variables = {"PROBE_DIR": str(records), "PROBE_ENDPOINT": address}
    for route_key, handler in HANDLERS.items():
        arn = boto3.client("lambda", **options).create_function(
            FunctionName=handler.replace(".", "-"),
            Runtime="python3.11",
            Role="arn:aws:iam::000000000000:role/probe",
            Handler=handler,
            Code={"ZipFile": _package()},
            Timeout=60,
            Environment={"Variables": variables},
        )["FunctionArn"]
        integration = gateway.create_integration(
            ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=_invocation_uri(arn)
        )["IntegrationId"]
        gateway.create_route(ApiId=api_id, RouteKey=route_key, Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api_id, StageName=STAGE, AutoDeploy=True)
    return api_id


def _invocation_uri(function_arn: str) -> str:
    return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function_arn}/invocations"


def _package() -> bytes:
    """Return the probe as a deployment package; its libraries are MiniStack's own."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as package:
        package.write(PROBE_APP / "app.py", "app.py")
    return packed.getvalue()


def _wait_until_healthy(process: subprocess.Popen[bytes], endpoint: str) -> None:
    deadline = time.monotonic() + READY_TIME_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"{endpoint}/_ministack/health"):
            return
        time.sleep(0.05)
    raise AssertionError("MiniStack did not become healthy")
