"""What one execution environment does with its function: real processes of a tiny app."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalice_offline.invocation import Raised, TimedOut
from chalice_offline.lambda_host.host import LambdaHost
from chalice_offline.lambda_host.private_tmp import TMP
from tests.support.instance import is_running
from tests.unit.chalice_offline.lambda_host.bench import Bench, payload, until


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
        assert (seen["stdin"], seen["arguments"]) == ("", [])
        assert seen["path"][0] == str(bench.folder)
        assert not any(entry.endswith("lambda_host") for entry in seen["path"])

    bench.run(scenario)


def test_time_zone_is_utc_unless_the_project_names_one(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        seen.append(payload(await host.invoke("facts", {}))["environment"]["TZ"])

    seen: list[str] = []
    bench.run(scenario)
    bench.environment["TZ"] = "Asia/Tokyo"
    bench.run(scenario)
    assert seen == [":UTC", "Asia/Tokyo"]


@pytest.mark.parametrize("snapshot", [(), ("app",)])
def test_variables_may_be_longer_than_a_socket_takes_at_once(bench: Bench, snapshot: tuple[str, ...]) -> None:
    gate = bench.folder / "gate"
    bench.environment |= {f"LONG_{number}": "x" * 100_000 for number in range(5)}

    async def scenario(host: LambdaHost) -> None:
        calls = [asyncio.create_task(host.invoke("wait_for_file", {"path": str(gate)})) for _ in range(4)]
        await until(lambda: len(host.pids()["wait_for_file"]) == 4)
        gate.touch()
        assert len({payload(outcome) for outcome in await asyncio.gather(*calls)}) == 4
        facts = payload(await host.invoke("facts", {}))
        assert {len(facts["environment"][f"LONG_{number}"]) for number in range(5)} == {100_000}

    bench.run(scenario, snapshot=snapshot)
    assert bench.refusals == []


def test_each_invocation_has_a_trace_of_its_own_that_is_not_sampled(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        one, other = [
            payload(await host.invoke("facts", {}))["environment"]["_X_AMZN_TRACE_ID"] for _ in range(2)
        ]
        assert one != other
        trace = r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0"
        assert re.fullmatch(trace, one)

    bench.run(scenario)


@pytest.mark.parametrize(
    ("headers", "is_its"),
    [
        ({"X-Amzn-Trace-Id": "Root=1-3152b799-8954dae64eda91bc9a23a7e8"}, True),
        ({"X-Amzn-Trace-Id": "Root=1-3152b799-8954dae64eda91bc9a23a7e8;Parent=1;Sampled=1"}, True),
        ({"X-Amzn-Trace-Id": "\0"}, False),
        ({"X-Amzn-Trace-Id": 5}, False),
        (["X-Amzn-Trace-Id"], False),
        (None, False),
    ],
)
def test_invocation_belongs_to_the_trace_of_its_request(bench: Bench, headers: Any, *, is_its: bool) -> None:
    """So that what a function logs is found by what its client was told."""

    async def scenario(host: LambdaHost) -> None:
        found = payload(await host.invoke("facts", {"headers": headers}))["environment"]["_X_AMZN_TRACE_ID"]
        assert found.startswith("Root=1-3152b799-8954dae64eda91bc9a23a7e8;Parent=") is is_its
        assert found.endswith(";Sampled=0")

    bench.run(scenario)


def test_timeout_kills_the_environment_with_its_children_and_the_next_call_is_fresh(bench: Bench) -> None:
    pids = bench.folder / "pids"

    async def scenario(host: LambdaHost) -> None:
        while not pids.exists() or not pids.read_text():  # a busy machine may take longer to come to that
            assert await host.invoke("hang", {"pids": str(pids)}) == TimedOut(0.3)
        assert not is_running(int(pids.read_text()))
        assert ("hang", "hanging") in bench.lines
        assert any("Task timed out after 0.30 seconds" in line for _, line in bench.lines)
        assert await host.invoke("hang", {"pids": str(pids)}) == TimedOut(0.3)

    bench.run(scenario)


def test_program_that_a_function_started_ends_with_its_environment(bench: Bench) -> None:
    started: list[int] = []
    pids = bench.folder / "pids"

    async def scenario(host: LambdaHost) -> None:
        started.append(payload(await host.invoke("starts", {}))["pid"])
        assert is_running(started[0])
        await host.invoke("leave", {"pids": str(pids)})
        left = int(pids.read_text())
        await until(lambda: not is_running(left))

    bench.run(scenario)
    asyncio.run(until(lambda: not is_running(started[0])))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose program it was")
@pytest.mark.parametrize("apart", ["once", "twice", "left twice", "in a namespace"])
def test_program_in_a_session_of_its_own_ends_with_its_environment_and_with_no_other(
    bench: Bench, apart: str
) -> None:
    started: list[int] = []
    pids = bench.folder / "pids"
    unshare = "unshare --mount" if os.geteuid() == 0 else "unshare --map-current-user --mount"
    if apart == "in a namespace" and subprocess.run((*unshare.split(), "true"), check=False).returncode:
        pytest.skip("this user may make no namespaces here")

    async def scenario(host: LambdaHost) -> None:
        await host.invoke("leave", {"pids": str(pids), "apart": True})
        left = int(pids.read_text())
        await until(lambda: not is_running(left))
        started.append(payload(await host.invoke("starts", {"apart": apart, "unshare": unshare}))["pid"])
        await host.invoke("leave", {})
        await host.invoke("leave", {"pids": str(pids), "apart": True})
        assert is_running(started[0])

    bench.run(scenario, tmp_root=bench.folder / "tmp")
    asyncio.run(until(lambda: not is_running(started[0])))


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


@pytest.mark.parametrize("closes", [False, True])
def test_crash_by_what_no_handler_catches_is_logged_with_where_it_came_from(
    bench: Bench, *, closes: bool
) -> None:
    async def scenario(host: LambdaHost) -> None:
        outcome = await host.invoke("interrupted", {"closes": closes})
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Runtime.ExitError"

    bench.run(scenario)
    lines = [line for name, line in bench.lines if name == "interrupted"]
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith("in interrupted")
    assert "KeyboardInterrupt: enough" in lines
    assert not any("lambda_host" in line for line in lines)


def test_reason_that_a_function_exits_with_is_logged(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        await host.invoke("sys_exit", {"with": "no more"})

    bench.run(scenario)
    assert ("sys_exit", "no more") in bench.lines


def test_exception_is_reported_and_logged_with_what_was_printed(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        outcome = await host.invoke("boom", {})
        assert outcome == Raised("ValueError", "bad order")
        assert isinstance(outcome, Raised)
        assert re.fullmatch(r"[0-9a-f-]{36}", outcome.request_id)
        frames = [frame.partition("\n") for frame in outcome.stack_trace]
        assert "app.py" in frames[-1][0]
        assert "raise ValueError" in frames[-1][2]
        assert "bootstrap.py" not in "".join(outcome.stack_trace)

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
    lines = [line for name, line in bench.lines if name == function]
    if function != "unknown":
        assert lines[0].startswith(f"[ERROR] {error_type}: ")
    assert not any("lambda_host" in line or "importlib" in line for line in lines)


def test_import_that_hangs_is_reported_and_ends_when_an_invocation_would(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalice_offline.lambda_host.environment._INIT_TIMEOUT_S", 0.2)
    text = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    (bench.folder / "app.py").write_text(text)
    pid = bench.folder / "pid"

    async def scenario(host: LambdaHost) -> None:
        while not pid.exists() or not pid.read_text():  # a busy machine may take longer to come to that
            outcome = await host.invoke("hang", {})
            assert isinstance(outcome, Raised)
            assert outcome.error_type == "Sandbox.Timedout"
            assert outcome.error_message.endswith("Error: Task timed out after 0.30 seconds")
        assert not is_running(int(pid.read_text()))

    bench.run(scenario)
    lines = [line for name, line in bench.lines if name == "hang"]
    assert lines[0] == "INIT_REPORT Init Duration: 200.00 ms\tPhase: init\tStatus: timeout"
    assert lines[1].endswith("Task timed out after 0.30 seconds")


@pytest.mark.parametrize("answer", ["\0\0\0\1?", "\0\0\0\2{}"])
def test_environment_that_answers_nonsense_is_ended(bench: Bench, answer: str) -> None:
    async def scenario(host: LambdaHost) -> None:
        outcome = await host.invoke("nonsense", {"answer": answer})
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Runtime.ExitError"

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
        await host.stop(timeout_s=0)
        assert list(root.iterdir()) == []

    bench.run(scenario, tmp_root=root)


def test_event_that_is_no_json_fails_its_invocation_alone(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        pid = payload(await host.invoke("echo", {}))["pid"]
        outcome = await host.invoke("echo", {"x": object()}, timeout_s=10)
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Runtime.InvalidEvent"
        assert payload(await host.invoke("echo", {}))["pid"] == pid

    bench.run(scenario, concurrency_max=1)
