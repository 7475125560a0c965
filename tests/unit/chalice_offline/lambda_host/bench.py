"""A tiny app whose functions do what functions should not, and a host to run it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from chalice_offline.invocation import Outcome, Returned
from chalice_offline.lambda_host.forker import Forker
from chalice_offline.lambda_host.host import HostSettings, LambdaHost
from chalice_offline.project.functions import FunctionSpec
from tests.support.instance import is_running

APP = """
import datetime, decimal, logging, os, signal, subprocess, sys, tempfile, time, uuid
from typing import NamedTuple
INITIALISED = []
STARTED = time.time()

def echo(event, context):
    INITIALISED.append(1)
    return {"event": event, "calls": len(INITIALISED), "pid": os.getpid()}

def facts(event, context):
    return {
        "context": [context.function_name, context.memory_limit_in_mb, context.invoked_function_arn,
                    context.log_group_name, context.function_version, bool(context.aws_request_id)],
        "remaining_ms": context.get_remaining_time_in_millis(),
        "environment": dict(os.environ),
        "stdin": sys.stdin.read(),
        "path": sys.path,
        "cwd": os.getcwd(),
        "arguments": sys.argv[1:],
    }

def wait_for_file(event, context):
    while not os.path.exists(event["path"]):
        time.sleep(0.005)
    return os.getpid()

def hang(event, context):
    print("hanging", flush=True)
    if os.fork() == 0:
        time.sleep(600)
    with open(event["pids"], "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)

def starts(event, context):
    apart = event.get("apart", False)
    # What is in quotes of its own is left by a program that ends at once, as daemons are.
    programs = {
        "twice": ["sh", "-c", "sleep 600 & echo $!"],
        "left twice": ["sh", "-c", "setsid sh -c 'sleep 600 & echo $!' &"],
        "in a namespace": ["sh", "-c", "setsid %s sh -c 'echo $$; exec sleep 600' &" % event.get("unshare")],
    }
    program = programs.get(apart, ["sh", "-c", "echo $$; exec sleep 600"])
    started = subprocess.Popen(program, start_new_session=bool(apart), stdout=subprocess.PIPE)
    return {"pid": int(started.stdout.readline())}

def leave(event, context):
    if event.get("pids"):
        with open(event["pids"], "w") as file:
            apart = event.get("apart", False)
            file.write(str(subprocess.Popen(["sleep", "600"], start_new_session=apart).pid))
    if event.get("signal"):
        os.kill(os.getpid(), event["signal"])
    os._exit(event.get("status", 3))

def sys_exit(event, context):
    sys.exit(event.get("with", 4))

def interrupted(event, context):
    if event.get("closes"):
        sys.stdout.close()
    raise KeyboardInterrupt("enough")

def unserialisable(event, context):
    return {"x": object()}

def nonsense(event, context):
    os.write(3, event["answer"].encode("latin-1"))
    time.sleep(600)

def logs(event, context):
    logging.getLogger("shop.orders").warning("price %s", 7)
    logging.getLogger().info("unseen")
    if event.get("level"):
        logging.getLogger().setLevel(event["level"])
        logging.getLogger("shop").info("seen")
    return context.aws_request_id

class Row(NamedTuple):
    price: decimal.Decimal

RESULTS = {
    "decimal": lambda: {"x": decimal.Decimal("1.10000000000000000001"), "n": [decimal.Decimal("NaN")]},
    "exponent": lambda: decimal.Decimal("1E+2"),
    "float": lambda: {"x": 1.5, "n": float("nan"), "i": float("-inf")},
    "row": lambda: Row(decimal.Decimal(2)),
    "bytes": lambda: {"x": "\u00fc".encode(), b"k": 1},
    "document": lambda: b'{"x": [1]}',
    "no_document": lambda: b"plain",
    "keys": lambda: {7: 2, None: 3, True: 4},
    "surrogate": lambda: chr(0xD800),
    "datetime": lambda: datetime.datetime(2026, 1, 1),
    "set": lambda: {1},
    "object": lambda: object(),
    "uuid": lambda: uuid.UUID(int=1),
    "circle": lambda: (circle := []).append(circle) or circle,
    "huge": lambda: "x" * (6 * 1024 * 1024 + 101),
    "large": lambda: "x" * (6 * 1024 * 1024),
}

def result(event, context):
    return RESULTS[event["of"]]()

def tmp(event, context):
    found = [os.path.exists("/tmp/mark"), os.path.exists(os.path.join(tempfile.gettempdir(), "mark"))]
    open(os.path.join(tempfile.gettempdir(), "mark"), "w").close()
    while event.get("wait") and not os.path.exists(event["wait"]):
        time.sleep(0.005)
    return {"found": found, "tmp": tempfile.gettempdir(), "code": os.path.exists("app.py")}

def boom(event, context):
    print("one")
    print("two", file=sys.stderr)
    raise ValueError("bad order")
"""


BROKEN = {
    "syntax": "def f(:\n",
    "missing": "import no_such_module\n",
    "raises": "raise RuntimeError('at import')\n",
}


NAMES = (
    "echo", "facts", "wait_for_file", "hang", "leave", "sys_exit", "unserialisable", "nonsense", "boom",
    "logs", "result", "tmp", "interrupted", "starts",
)  # fmt: skip


Scenario = Callable[[LambdaHost], Awaitable[None]]


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that only other processes bring about."""
    while not is_so():  # noqa: ASYNC110  # it has no event to wait for
        await asyncio.sleep(0.01)


class Bench:
    """Runs scenarios against a host over the app in a directory, and keeps what functions printed,
    and why there was no snapshot.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[tuple[str, str]] = []
        self.refusals: list[str] = []
        self.environment = {"PATH": os.environ["PATH"], "SHARED": "1", "OWN": "shared"}

    def run(self, scenario: Scenario, **settings: Any) -> None:
        asyncio.run(self._run(scenario, settings))

    async def _run(self, scenario: Scenario, settings: dict[str, Any]) -> None:
        listener = settings.pop("on_finished", lambda _function_name: None)
        host_settings = HostSettings("shop", "dev", self.folder, self.environment, **settings)
        forker = Forker([], self.environment)
        host = LambdaHost(
            self.specs(),
            host_settings,
            forker,
            lambda name, lines: self.lines.extend((name, line) for line in lines),
            on_finished=listener,
            on_refused=self.refusals.append,
        )
        try:
            await scenario(host)
        finally:
            await host.stop(timeout_s=0)
            pids = [pid for group in host.pids().values() for pid in group]
            await forker.close()
        assert not [pid for pid in pids if is_running(pid)]

    def specs(self) -> dict[str, FunctionSpec]:
        timeouts = {"hang": 0.3}
        specs = {
            name: FunctionSpec(name, f"app.{name}", timeouts.get(name, 20.0), 256, {"FROM_CONFIG": "yes"})
            for name in NAMES
        }
        return (
            specs
            | {name: FunctionSpec(name, f"{name}.f", 20.0, 128, {}) for name in BROKEN}
            | {"absent": FunctionSpec("absent", "app.absent", 20.0, 128, {})}
        )


def payload(outcome: Outcome) -> Any:
    assert isinstance(outcome, Returned), outcome
    return outcome.payload
