"""The program inside an execution environment: import the handler, then serve one invocation at a time.

It stands alone, as on Lambda: the runtime's own packages are not importable from a function. Requests come
and results go over a socket, each a 4-byte big-endian length and a JSON document:

    -> {"requestId", "deadlineMs", "event"} <- {"ready": true} | {"error": {...}} once, after the import; then
    {"result": …} | {"error": {...}} each time

Run as ``python -P bootstrap.py SOCKET_FD FUNCTION`` with the function's description as JSON.
"""

import importlib
import importlib.util
import json
import os
import re
import socket
import sys
import time
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

# Beside this module, where the fork server finds them; no package is, in a function.
from lambda_logging import LambdaLog
from lambda_marshaller import RESPONSE_BYTES_MAX, marshalled

Handler = Callable[[Any, Any], Any]

LENGTH_BYTES = 4
READ_BYTES = 65_536
# Of a trace that a request belongs to.
_ROOT = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}")
# Whose frames say how the app came to be imported, which says nothing to its author.
_IMPORTERS = (__file__, importlib.__file__)
# Of the runtime's documents, behind which nothing follows: so nothing needs to be looked for there.
_decoded_at = json.JSONDecoder().raw_decode


class LambdaContext:
    """The context object of Lambda's Python runtime, attribute for attribute.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    identity = None
    client_context = None

    def __init__(self, function: dict[str, Any], log_stream_name: str, request: dict[str, Any]) -> None:
        self.function_name: str = function["lambda_name"]
        self.function_version = "$LATEST"
        self.invoked_function_arn: str = function["arn"]
        self.memory_limit_in_mb = str(function["memory_mb"])
        self.aws_request_id: str = request["requestId"]
        self.log_group_name = f"/aws/lambda/{self.function_name}"
        self.log_stream_name = log_stream_name
        self._deadline_ms: int = request["deadlineMs"]
        self.identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - time.time_ns() // 1_000_000)

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))


def trace_header(request_id: str, event: Any) -> str:
    """Return what X-Ray's SDK is to know of an invocation: a trace that is not sampled, as of a function that
    is not traced. Without one the SDK warns of all that it would have recorded. An invocation for a request
    belongs to the trace that API Gateway gave the request, and tells its client.

    https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
    """
    digits = request_id.replace("-", "")
    headers = event.get("headers") if isinstance(event, dict) else None
    sent = headers.get("X-Amzn-Trace-Id") if isinstance(headers, dict) else None
    found = _ROOT.match(sent) if isinstance(sent, str) else None
    root = found[0] if found else f"Root=1-{int(time.time()):08x}-{digits[:24]}"
    return f"{root};Parent={digits[16:]};Sampled=0"


def load(handler: str) -> Handler:
    """Import ``module.attribute`` as Lambda does; slashes or dots may separate packages."""
    module_name, _, attribute = handler.rpartition(".")
    found: Handler = getattr(importlib.import_module(module_name.replace("/", ".")), attribute)
    return found


def redirect_callbacks() -> None:
    """Let callbacks reach the local gateway, also by clients that the app makes when it is imported."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI")
    if endpoint:
        _redirect.install(endpoint)


def _neighbour(name: str) -> Any:
    """Load a module of this directory under a name that no app's module has."""
    place = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")  # noqa: PTH100, PTH118, PTH120  # as below
    spec = importlib.util.spec_from_file_location(f"_local_runtime_{name}", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_redirect = _neighbour("callback_redirect")


def import_error(error: BaseException, handler: str) -> dict[str, Any]:
    """Return Lambda's error document for a module that could not be loaded."""
    module = handler.rpartition(".")[0]
    if isinstance(error, SyntaxError):
        text = f"Syntax error in module '{module}': {error}"
        return {"errorType": "Runtime.UserCodeSyntaxError", "errorMessage": text}
    if isinstance(error, ImportError):
        text = f"Unable to import module '{module}': {error}"
        return {"errorType": "Runtime.ImportModuleError", "errorMessage": text}
    if isinstance(error, AttributeError) and handler.rpartition(".")[2] in str(error):
        text = f"Handler '{handler.rpartition('.')[2]}' missing on module '{module}'"
        return {"errorType": "Runtime.HandlerNotFound", "errorMessage": text}
    return {"errorType": type(error).__name__, "errorMessage": str(error)}


def in_app(error: BaseException) -> str:
    """Return the traceback of an import from the first line that is the app's on; empty if none is."""
    trace = error.__traceback__
    while trace is not None and (
        trace.tb_frame.f_code.co_filename in _IMPORTERS
        or trace.tb_frame.f_code.co_filename.startswith("<frozen importlib")
    ):
        trace = trace.tb_next
    if trace is None and not isinstance(error, SyntaxError):
        return ""
    return "".join(traceback.format_exception(error.with_traceback(trace)))


def handle(handler: Handler, event: Any, context: LambdaContext, log: LambdaLog) -> bytes:
    """Run the handler once and return the reply's JSON.

    An exception is printed as Lambda prints it, then reported.
    SystemExit passes: it ends the environment there too.
    """
    try:
        result = handler(event, context)
    except Exception as error:  # noqa: BLE001  # whatever the handler raises is its result
        # Without our own frame, which says nothing to the reader.
        error = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
        trace = "".join(traceback.format_exception(error))
        where = {
            "requestId": context.aws_request_id,
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
        return failure(type(error).__name__, str(error), trace, log, where)
    try:
        document = marshalled(result)
    except Exception as error:  # noqa: BLE001  # as Lambda's marshaller does
        return failure("Runtime.MarshalError", f"Unable to marshal response: {error}", "", log)
    reply = f'{{"result":{document}}}'.encode("utf-8", "backslashreplace")
    if len(reply) - len('{"result":}') > RESPONSE_BYTES_MAX:
        text = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
        return failure("Function.ResponseSizeTooLarge", text, "", log)
    return reply


def failure(
    error_type: str, message: str, trace: str, log: LambdaLog, where: dict[str, Any] | None = None
) -> bytes:
    """Print a failure as Lambda prints it, and return the reply that tells it."""
    log.failed(error_type, message, trace)
    return json.dumps({"error": {"errorType": error_type, "errorMessage": message, **(where or {})}}).encode()


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """Return the next ``size`` bytes, or fewer when the other side has closed."""
    chunks = bytearray()
    while len(chunks) < size:
        chunk = connection.recv(size - len(chunks))
        if not chunk:
            break
        chunks += chunk
    return bytes(chunks)


def read_document(connection: socket.socket) -> bytes:
    """Return the next document, nothing when the other side has closed.

    Nothing follows it until it is answered, so that all that
    arrives belongs to it: most documents take one read.
    """
    data = connection.recv(READ_BYTES)
    if data and len(data) < LENGTH_BYTES:
        data += read_exactly(connection, LENGTH_BYTES - len(data))
    missing = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big") - len(data)
    return data[LENGTH_BYTES:] if missing <= 0 else data[LENGTH_BYTES:] + read_exactly(connection, missing)


def send(connection: socket.socket, document: bytes) -> None:
    connection.sendall(len(document).to_bytes(LENGTH_BYTES, "big") + document)


def ready_to_import(task_root: str) -> LambdaLog:
    """Prepare this process for the import of an app in that directory; return the root logger's handler."""
    sys.path.insert(0, task_root)
    vendor = os.path.join(task_root, "vendor")  # noqa: PTH118  # pathlib would be a cold-start cost
    if os.path.isdir(vendor):  # noqa: PTH112  # as above
        sys.path.append(vendor)
    log = LambdaLog(os.environ)
    log.install()
    return log


def restored() -> None:
    """Run what the app has registered for environments that begin with a snapshot, in order."""
    hooks = sys.modules.get("snapshot_restore_py")
    for hook, arguments, named in hooks.get_after_restore() if hooks is not None else ():
        hook(*arguments, **named)


def serve(connection: socket.socket, function: dict[str, Any], imported_with: LambdaLog | None) -> None:
    """Import the handler and answer invocations until the runtime closes the socket.

    Args:
        imported_with: The log of a process that has imported the app already; this one is its fork.
    """
    log = imported_with or ready_to_import(function["task_root"])
    debugger = None
    try:
        if imported_with is None:
            redirect_callbacks()
        else:
            restored()
        if function.get("debug"):
            debugger = _neighbour("debugger").install(function["debug"])
        handler = load(function["handler"])
    except Exception as error:  # noqa: BLE001  # anything at all may happen in a module body
        told = import_error(error, function["handler"])
        send(connection, failure(told["errorType"], told["errorMessage"], in_app(error), log))
        return
    send(connection, b'{"ready":true}')
    log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
    while document := read_document(connection):
        # Text: of bytes json would have to find out the encoding.
        request, _ = _decoded_at(document.decode())
        log.request_id = request["requestId"]
        os.environ["_X_AMZN_TRACE_ID"] = trace_header(request["requestId"], request["event"])
        context = LambdaContext(function, log_stream_name, request)
        reply = handle(handler, request["event"], context, log)
        if debugger is not None:
            debugger.end()
        send(connection, reply)


def main(imported_with: LambdaLog | None = None) -> None:
    """Serve the function that the command line describes; see ``serve``."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    function = json.loads(sys.argv[2])
    # On Lambda there are no arguments, and an app may read them when it is imported.
    del sys.argv[1:]
    if imported_with is None:
        print_line_by_line()
    serve(connection, function, imported_with)


def print_line_by_line() -> None:
    """Print each line as soon as it is complete:
    what a dying environment printed must not be lost in a buffer.
    """
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text stream, though typed more widely


if __name__ == "__main__":
    main()
