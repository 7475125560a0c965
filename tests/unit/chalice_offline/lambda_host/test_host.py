"""The Lambda host with real processes: a tiny app whose functions do what functions should not."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from chalice_offline.invocation import Caller, Outcome, Raised, Returned, TimedOut
from chalice_offline.lambda_host.forker import Forker
from chalice_offline.lambda_host.host import HostSettings, LambdaHost
from chalice_offline.lambda_host.private_tmp import TMP
from chalice_offline.project.functions import FunctionSpec

APP = """
import datetime, decimal, logging, os, signal, sys, tempfile, time, uuid
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

def leave(event, context):
    if event.get("signal"):
        os.kill(os.getpid(), event["signal"])
    os._exit(event.get("status", 3))

def sys_exit(event, context):
    sys.exit(4)

def unserialisable(event, context):
    return {"x": object()}

def nonsense(event, context):
    os.write(int(sys.argv[1]), event["answer"].encode("latin-1"))
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
    "logs", "result", "tmp",
)  # fmt: skip

Scenario = Callable[[LambdaHost], Awaitable[None]]


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that only other processes bring about."""
    while not is_so():  # noqa: ASYNC110  # it has no event to wait for
        await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


class Bench:
    """Runs scenarios against a host over the app in a directory, and keeps what functions printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[tuple[str, str]] = []
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
            lambda name, line: self.lines.append((name, line)),
            on_finished=listener,
        )
        try:
            await scenario(host)
        finally:
            await host.stop(patience_s=0)
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


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "app.py").write_text(APP)
    for name, text in BROKEN.items():
        (tmp_path / f"{name}.py").write_text(text)
    return Bench(tmp_path)


def payload(outcome: Outcome) -> Any:
    assert isinstance(outcome, Returned), outcome
    return outcome.payload


def test_first_invocation_is_cold_and_the_next_reuses_the_warm_environment(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        first = payload(await host.invoke("echo", {"text": "ü", "n": 1}))
        second = payload(await host.invoke("echo", {}))
        assert first["event"] == {"text": "ü", "n": 1}
        assert (first["calls"], second["calls"]) == (1, 2)
        assert first["pid"] == second["pid"] != os.getpid()

    bench.run(scenario)


def test_function_sees_lambdas_context_variables_and_closed_input(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        seen = payload(await host.invoke("facts", {}))
        name = "shop-dev-facts"
        arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        assert seen["context"] == [name, "256", arn, f"/aws/lambda/{name}", "$LATEST", True]
        assert 0 < seen["remaining_ms"] <= 20_000
        variables = seen["environment"]
        assert variables["AWS_LAMBDA_FUNCTION_NAME"] == name
        assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
        assert variables["LAMBDA_TASK_ROOT"] == seen["cwd"] == str(bench.folder)
        assert (variables["FROM_CONFIG"], variables["SHARED"]) == ("yes", "1")
        assert seen["stdin"] == ""
        assert seen["path"][0] == str(bench.folder)
        assert not any(entry.endswith("lambda_host") for entry in seen["path"])

    bench.run(scenario)


def test_timeout_kills_the_environment_with_its_children_and_the_next_call_is_fresh(bench: Bench) -> None:
    pids = bench.folder / "pids"

    async def scenario(host: LambdaHost) -> None:
        assert await host.invoke("hang", {"pids": str(pids)}) == TimedOut(0.3)
        assert not is_running(int(pids.read_text()))
        assert ("hang", "hanging") in bench.lines
        assert any("Task timed out after 0.30 seconds" in line for _, line in bench.lines)
        assert await host.invoke("hang", {"pids": str(pids)}) == TimedOut(0.3)

    bench.run(scenario)


@pytest.mark.parametrize(
    ("function", "event", "reason"),
    [
        ("leave", {"status": 3}, "exit status 3"),
        ("leave", {"status": 0}, "without providing a reason"),
        ("leave", {"signal": 9}, "signal: SIGKILL"),
        ("leave", {"signal": 11}, "signal: SIGSEGV"),
        ("sys_exit", {}, "exit status 4"),
    ],
)
def test_crash_fails_its_invocation_alone(
    bench: Bench, function: str, event: dict[str, Any], reason: str
) -> None:
    async def scenario(host: LambdaHost) -> None:
        outcome = await host.invoke(function, event)
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Runtime.ExitError"
        assert reason in outcome.error_message
        assert payload(await host.invoke("echo", {}))["calls"] == 1

    bench.run(scenario)


def test_result_that_is_not_json_is_a_marshal_error(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        outcome = await host.invoke("unserialisable", {})
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Runtime.MarshalError"
        assert "object is not JSON serializable" in outcome.error_message

    bench.run(scenario)


def test_exception_is_reported_and_logged_with_what_was_printed(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        assert await host.invoke("boom", {}) == Raised("ValueError", "bad order")

    bench.run(scenario)
    lines = [line for name, line in bench.lines if name == "boom"]
    assert lines[:4] == ["one", "two", "[ERROR] ValueError: bad order", "Traceback (most recent call last):"]
    assert "bootstrap.py" not in "".join(lines)


@pytest.mark.parametrize(
    ("function", "error_type"),
    [
        ("syntax", "Runtime.UserCodeSyntaxError"),
        ("missing", "Runtime.ImportModuleError"),
        ("raises", "RuntimeError"),
        ("absent", "Runtime.HandlerNotFound"),
        ("unknown", "ResourceNotFoundException"),
    ],
)
def test_function_that_cannot_be_loaded_says_why_each_time(
    bench: Bench, function: str, error_type: str
) -> None:
    async def scenario(host: LambdaHost) -> None:
        for _ in range(2):
            outcome = await host.invoke(function, {})
            assert isinstance(outcome, Raised)
            assert outcome.error_type == error_type

    bench.run(scenario)


def test_concurrent_invocations_get_environments_of_their_own_up_to_the_limit(bench: Bench) -> None:
    gate = bench.folder / "gate"

    async def scenario(host: LambdaHost) -> None:
        calls = [asyncio.create_task(host.invoke("wait_for_file", {"path": str(gate)})) for _ in range(5)]
        await until(lambda: len(host.pids()["wait_for_file"]) == 2)
        gate.touch()
        pids = {payload(outcome) for outcome in await asyncio.gather(*calls)}
        assert len(pids) == 2

    bench.run(scenario, concurrency_max=2)


def test_caller_that_stops_waiting_leaves_the_function_running(bench: Bench) -> None:
    gate = bench.folder / "gate"

    async def scenario(host: LambdaHost) -> None:
        assert await host.invoke("wait_for_file", {"path": str(gate)}, timeout_s=0.05) == TimedOut(0.05)
        gate.touch()
        pid = payload(await host.invoke("wait_for_file", {"path": str(gate)}))
        assert host.pids()["wait_for_file"] == [pid]

    bench.run(scenario, concurrency_max=1)


def test_caller_that_goes_away_leaves_the_environment_to_the_next(bench: Bench) -> None:
    gate = bench.folder / "gate"

    async def scenario(host: LambdaHost) -> None:
        callers = [asyncio.create_task(host.invoke("wait_for_file", {"path": str(gate)})) for _ in range(2)]
        await until(lambda: bool(host.pids()["wait_for_file"]))
        for caller in callers:
            caller.cancel()
        gate.touch()
        pid = payload(await host.invoke("wait_for_file", {"path": str(gate)}))
        assert host.pids()["wait_for_file"] == [pid]

    bench.run(scenario, concurrency_max=1)


def test_function_that_may_be_cut_short_is_not_waited_for(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        caller = asyncio.create_task(host.invoke("wait_for_file", {"path": str(bench.folder / "never")}))
        await until(lambda: bool(host.pids()["wait_for_file"]))
        await host.stop(patience_s=600)
        outcome = await caller
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Runtime.ExitError"  # and not the function's time-out

    bench.run(scenario, cut_short=frozenset({"wait_for_file"}))


def test_callers_learn_that_the_host_has_stopped(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        never = {"path": str(bench.folder / "never")}
        callers = [asyncio.create_task(host.invoke("wait_for_file", never)) for _ in range(3)]
        await until(lambda: bool(host.pids()["wait_for_file"]))
        await host.stop(patience_s=0)
        outcomes = [*await asyncio.gather(*callers), await host.invoke("wait_for_file", never)]
        kinds = [outcome.error_type for outcome in outcomes if isinstance(outcome, Raised)]
        assert kinds == ["Runtime.ExitError", *["Runtime.Stopped"] * 3]

    bench.run(scenario, concurrency_max=1)


@pytest.mark.parametrize("answer", ["\0\0\0\1?", "\0\0\0\2{}"])
def test_environment_that_answers_nonsense_is_ended(bench: Bench, answer: str) -> None:
    async def scenario(host: LambdaHost) -> None:
        outcome = await host.invoke("nonsense", {"answer": answer})
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Runtime.ExitError"

    bench.run(scenario)


def test_idle_environments_end_except_the_last(bench: Bench) -> None:
    gate = bench.folder / "gate"

    async def scenario(host: LambdaHost) -> None:
        calls = [asyncio.create_task(host.invoke("wait_for_file", {"path": str(gate)})) for _ in range(3)]
        await until(lambda: len(host.pids()["wait_for_file"]) == 3)
        gate.touch()
        await asyncio.gather(*calls)
        await host.start()
        await until(lambda: len(host.pids()["wait_for_file"]) == 1)
        assert (
            payload(await host.invoke("wait_for_file", {"path": str(gate)})) in host.pids()["wait_for_file"]
        )

    bench.run(scenario, idle_s=0.02)


def test_reload_runs_new_code_after_the_invocation_in_progress(bench: Bench) -> None:
    gate = bench.folder / "gate"

    async def scenario(host: LambdaHost) -> None:
        assert "calls" in payload(await host.invoke("echo", {}))
        running = asyncio.create_task(host.invoke("wait_for_file", {"path": str(gate)}))
        await until(lambda: bool(host.pids()["wait_for_file"]))
        (bench.folder / "app.py").write_text(
            "def echo(e, c): return 'new'\ndef wait_for_file(e, c): return 'new'\n"
        )
        specs = {name: spec for name, spec in bench.specs().items() if name in {"echo", "wait_for_file"}}
        await host.reload(specs)
        assert payload(await host.invoke("echo", {})) == "new"
        gate.touch()
        assert isinstance(payload(await running), int)
        assert payload(await host.invoke("wait_for_file", {})) == "new"
        assert isinstance(await host.invoke("boom", {}), Raised)

    bench.run(scenario)


def test_fork_server_that_was_killed_is_replaced(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        await host.invoke("echo", {})
        (server,) = host.pids()["fork_server"]
        os.kill(server, 9)
        await until(lambda: host.pids()["fork_server"] != [server])
        assert payload(await host.invoke("echo", {}))["calls"] == 1

    bench.run(scenario)


def test_root_logger_writes_as_lambdas_does(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        first = payload(await host.invoke("logs", {}))
        second = payload(await host.invoke("logs", {"level": "INFO"}))
        lines = [line.split("\t") for name, line in bench.lines if name == "logs"]
        assert [(level, request_id, text) for level, _, request_id, text in lines] == [
            ("[WARNING]", first, "price 7"),
            ("[WARNING]", second, "price 7"),
            ("[INFO]", second, "seen"),
        ]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line[1]) for line in lines)

    bench.run(scenario)


def test_log_format_and_level_of_the_function_are_heeded(bench: Bench) -> None:
    bench.environment |= {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}

    async def scenario(host: LambdaHost) -> None:
        request_id = payload(await host.invoke("logs", {}))
        await host.invoke("boom", {})
        entries = [json.loads(line) for _, line in bench.lines if line.startswith("{")]
        assert [(entry.get("message"), entry["level"], entry["requestId"]) for entry in entries[:2]] == [
            ("price 7", "WARNING", request_id),
            ("unseen", "INFO", request_id),
        ]
        assert (entries[2]["errorType"], entries[2]["errorMessage"]) == ("ValueError", "bad order")

    bench.run(scenario)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ("exponent", 100.0),
        ("row", {"price": 2}),
        ("bytes", {"x": "ü", "k": 1}),
        ("document", {"x": [1]}),
        ("no_document", "plain"),
        ("keys", {"7": 2, "null": 3, "true": 4}),
        ("surrogate", "\ud800"),
    ],
)
def test_result_is_serialised_as_lambda_does(bench: Bench, of: str, expected: Any) -> None:
    async def scenario(host: LambdaHost) -> None:
        assert payload(await host.invoke("result", {"of": of})) == expected

    bench.run(scenario)


def test_numbers_that_json_lacks_pass(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        exact = payload(await host.invoke("result", {"of": "decimal"}))
        assert (exact["x"], str(exact["n"])) == (1.1, "[nan]")
        assert str(payload(await host.invoke("result", {"of": "float"}))) == "{'x': 1.5, 'n': nan, 'i': -inf}"

    bench.run(scenario)


@pytest.mark.parametrize("of", ["datetime", "set", "object", "uuid", "circle"])
def test_result_without_a_form_in_json_is_a_marshal_error_and_the_environment_goes_on(
    bench: Bench, of: str
) -> None:
    async def scenario(host: LambdaHost) -> None:
        outcome = await host.invoke("result", {"of": of})
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Runtime.MarshalError"
        assert outcome.error_message.startswith("Unable to marshal response: ")
        assert payload(await host.invoke("result", {"of": "exponent"})) == 100

    bench.run(scenario)


def test_result_beyond_six_megabytes_fails_its_invocation_alone(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        outcome = await host.invoke("result", {"of": "huge"})
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Function.ResponseSizeTooLarge"
        assert len(payload(await host.invoke("result", {"of": "large"}))) == 6 * 1024 * 1024

    bench.run(scenario)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGRTMIN + 1])
def test_environment_that_any_signal_ended_is_replaced(bench: Bench, number: int) -> None:
    async def scenario(host: LambdaHost) -> None:
        for _ in range(3):
            outcome = await host.invoke("leave", {"signal": int(number)}, timeout_s=10)
            assert isinstance(outcome, Raised)
            assert "signal: " in outcome.error_message

    bench.run(scenario, concurrency_max=1)


def test_each_environment_has_a_tmp_that_ends_with_it(bench: Bench) -> None:
    root, gate = bench.folder / "tmp", bench.folder / "gate"

    async def scenario(host: LambdaHost) -> None:
        first = asyncio.create_task(host.invoke("tmp", {"wait": str(gate)}))
        second = asyncio.create_task(host.invoke("tmp", {"wait": str(gate)}))
        await until(lambda: len(host.pids()["tmp"]) == 2)
        gate.touch()
        found = [payload(await first), payload(await second)]
        assert [each["found"] for each in found] == [[False, False]] * 2
        assert all(each["code"] for each in found)
        warm = payload(await host.invoke("tmp", {}))
        assert warm["found"][1]
        assert warm["tmp"] == TMP or warm["tmp"].startswith(str(root))
        assert warm["tmp"] != TMP or not warm["found"][0] or not (Path(TMP) / "mark").exists()
        assert len(list(root.iterdir())) == 2
        await host.stop(patience_s=0)
        assert list(root.iterdir()) == []

    bench.run(scenario, tmp_root=root)


def test_listener_that_fails_harms_no_invocation_and_no_environment(bench: Bench) -> None:
    failures: list[Any] = []

    def fail(_function_name: str) -> None:
        raise OverflowError("too often")

    async def scenario(host: LambdaHost) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        pids = {payload(await host.invoke("echo", {}))["pid"] for _ in range(3)}
        assert len(pids) == 1
        assert [type(each["exception"]) for each in failures] == [OverflowError] * 3

    bench.run(scenario, on_finished=fail)


def test_event_that_is_no_json_fails_its_invocation_alone(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        pid = payload(await host.invoke("echo", {}))["pid"]
        outcome = await host.invoke("echo", {"x": object()}, timeout_s=10)
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Runtime.InvalidEvent"
        assert payload(await host.invoke("echo", {}))["pid"] == pid

    bench.run(scenario, concurrency_max=1)


def test_invocation_whose_caller_left_while_it_waited_never_begins(bench: Bench, tmp_path: Path) -> None:
    gate, is_here = tmp_path / "gate", True

    async def scenario(host: LambdaHost) -> None:
        nonlocal is_here
        event = {"path": str(gate)}
        running = asyncio.create_task(host.invoke("wait_for_file", event))
        await until(lambda: bool(host.pids()["wait_for_file"]))
        leaving = Caller("noisy", lambda: is_here)
        waiting = [
            asyncio.create_task(host.invoke("wait_for_file", event, caller=leaving)) for _ in range(50)
        ]
        await asyncio.sleep(0)
        is_here = False
        gate.touch()
        pid = payload(await running)
        assert {await each for each in waiting} == {
            Raised("Runtime.Dropped", "the caller left before the invocation began")
        }
        assert payload(await host.invoke("wait_for_file", event)) == pid

    bench.run(scenario, concurrency_max=1)


def test_quiet_caller_waits_for_one_invocation_of_a_noisy_one(bench: Bench, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    ended: list[str] = []

    async def scenario(host: LambdaHost) -> None:
        async def invoke(key: str) -> None:
            await host.invoke("wait_for_file", {"path": str(gate)}, caller=Caller(key))
            ended.append(key)

        async with asyncio.TaskGroup() as group:
            group.create_task(invoke("noisy"))
            await until(lambda: bool(host.pids()["wait_for_file"]))
            for _ in range(50):
                group.create_task(invoke("noisy"))
            group.create_task(invoke("quiet"))
            await asyncio.sleep(0)
            gate.touch()
        assert ended.index("quiet") <= 2

    bench.run(scenario, concurrency_max=1)
