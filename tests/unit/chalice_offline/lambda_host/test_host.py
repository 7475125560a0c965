"""The Lambda host: which environment an invocation gets, and what becomes of its caller."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from chalice_offline.invocation import Caller, Outcome, Raised, TimedOut
from chalice_offline.lambda_host.host import LambdaHost
from chalice_offline.project.functions import FunctionSpec
from tests.support.instance import is_running
from tests.unit.chalice_offline.lambda_host.bench import APP, Bench, payload, until


def test_first_invocation_is_cold_and_the_next_reuses_the_warm_environment(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        first = payload(await host.invoke("echo", {"text": "ü", "n": 1}))
        second = payload(await host.invoke("echo", {}))
        assert first["event"] == {"text": "ü", "n": 1}
        assert (first["calls"], second["calls"]) == (1, 2)
        assert first["pid"] == second["pid"] != os.getpid()

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
        assert host.running() == []
        await host.stop(timeout_s=600)
        outcome = await caller
        assert isinstance(outcome, Raised)
        assert outcome.error_type == "Runtime.ExitError"  # and not the function's time-out

    bench.run(scenario, cut_short=frozenset({"wait_for_file"}))
    assert not [line for _, line in bench.lines if "Runtime exited" in line]


def test_callers_learn_that_the_host_has_stopped(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        never = {"path": str(bench.folder / "never")}
        callers = [asyncio.create_task(host.invoke("wait_for_file", never)) for _ in range(3)]
        await until(lambda: bool(host.pids()["wait_for_file"]))
        await host.stop(timeout_s=0)
        outcomes = [*await asyncio.gather(*callers), await host.invoke("wait_for_file", never)]
        kinds = [outcome.error_type for outcome in outcomes if isinstance(outcome, Raised)]
        assert kinds == ["Runtime.ExitError", *["Runtime.Stopped"] * 3]

    bench.run(scenario, concurrency_max=1)


def test_rare_function_starts_when_it_is_called_and_ends_soon_after(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        await host.start()
        assert [bool(host.pids()[name]) for name in ("echo", "facts")] == [False, True]
        assert payload(await host.invoke("echo", {"x": 1}))["event"] == {"x": 1}
        await until(lambda: not host.pids()["echo"])
        assert payload(await host.invoke("echo", {"x": 2}))["event"] == {"x": 2}

    bench.run(scenario, idle_s=0.05, rare=frozenset({"echo"}))


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


NEW = "def echo(e, c): return 'new'\ndef wait_for_file(e, c): return 'new'\n"
HANGS = "import os, time\nopen('importing', 'a').write(f'{os.getpid()} ')\ntime.sleep(600)\n"


def reloaded(bench: Bench, text: str, **changes: Any) -> dict[str, FunctionSpec]:
    """Write new code, and return the functions that it has."""
    (bench.folder / "app.py").write_text(text)
    return {name: replace(bench.specs()[name], **changes) for name in ("echo", "wait_for_file")}


def test_reload_ends_an_import_that_hangs_and_its_caller_is_answered_by_new_code(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        reloaded(bench, HANGS)
        caller = asyncio.create_task(host.invoke("echo", {}))
        await until((bench.folder / "importing").exists)
        await host.reload(reloaded(bench, NEW))
        assert payload(await caller) == "new"
        importing = [int(pid) for pid in (bench.folder / "importing").read_text().split()]
        await until(lambda: not any(is_running(pid) for pid in importing))

    bench.run(scenario)
    assert not [line for _, line in bench.lines if "exited" in line or "timed out" in line]


def test_reload_waits_for_no_import_so_that_the_next_change_can_mend_it(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        assert "calls" in payload(await host.invoke("echo", {}))
        await host.reload(reloaded(bench, HANGS))
        await until((bench.folder / "importing").exists)
        await until(lambda: bool((bench.folder / "importing").read_text()))
        hanging = int((bench.folder / "importing").read_text())
        assert is_running(hanging)
        await host.reload(reloaded(bench, NEW))
        await until(lambda: host.pids()["echo"] not in ([], [hanging]))  # warm, as it was
        assert payload(await host.invoke("echo", {})) == "new"

    bench.run(scenario)


def test_function_that_was_warm_is_warm_again_after_a_reload(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        await host.invoke("echo", {})
        (old,) = host.pids()["echo"]
        await host.reload(reloaded(bench, NEW))
        await until(lambda: host.pids()["echo"] not in ([], [old]))
        assert host.pids()["wait_for_file"] == []

    bench.run(scenario)


def test_invocations_that_hang_in_old_code_leave_room_for_new_code(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        hanging = asyncio.create_task(host.invoke("wait_for_file", {"path": str(bench.folder / "never")}))
        await until(lambda: bool(host.pids()["wait_for_file"]))
        await host.reload(reloaded(bench, NEW))
        assert payload(await host.invoke("wait_for_file", {})) == "new"
        assert not hanging.done()

    bench.run(scenario, concurrency_max=1)


async def one_under_way_while_the_code_is_broken(
    host: LambdaHost, bench: Bench, gate: Path
) -> asyncio.Task[Outcome]:
    """Return a call that waits for a file, in an environment from before the code was broken."""
    call = asyncio.create_task(host.invoke("wait_for_file", {"path": str(gate)}))
    await until(lambda: bool(host.pids()["wait_for_file"]))
    reloaded(bench, "def echo(:\n")
    host.hold()
    return call


def test_what_is_warm_serves_everybody_while_the_code_cannot_be_imported(bench: Bench) -> None:
    gate = bench.folder / "gate"

    async def scenario(host: LambdaHost) -> None:
        first = await one_under_way_while_the_code_is_broken(host, bench, gate)
        others = [asyncio.create_task(host.invoke("wait_for_file", {"path": str(gate)})) for _ in range(3)]
        await asyncio.sleep(0)
        # Starts for the others would have failed by the time that this one has.
        assert isinstance(await host.invoke("echo", {}), Raised)
        gate.touch()
        assert len({payload(outcome) for outcome in await asyncio.gather(first, *others)}) == 1
        await host.reload(reloaded(bench, NEW))
        assert payload(await host.invoke("wait_for_file", {})) == "new"

    bench.run(scenario)
    assert not [line for name, line in bench.lines if name == "wait_for_file"]


def test_function_without_a_warm_environment_says_why_the_code_cannot_be_imported(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        await host.invoke("leave", {"path": ""})  # ends its environment
        reloaded(bench, "def echo(:\n")
        host.hold()
        for name in ("leave", "echo"):
            outcome = await host.invoke(name, {})
            assert isinstance(outcome, Raised)
            assert outcome.error_type == "Runtime.UserCodeSyntaxError"

    bench.run(scenario)


def test_snapshot_goes_on_to_be_forked_while_the_code_cannot_be_imported(bench: Bench) -> None:
    gate = bench.folder / "gate"

    async def scenario(host: LambdaHost) -> None:
        first = await one_under_way_while_the_code_is_broken(host, bench, gate)
        other = asyncio.create_task(host.invoke("wait_for_file", {"path": str(gate)}))
        await until(lambda: len(host.pids()["wait_for_file"]) == 2)
        gate.touch()
        assert len({payload(outcome) for outcome in await asyncio.gather(first, other)}) == 2

    bench.run(scenario, snapshot=("app",))


def test_reserved_concurrency_counts_what_runs_in_old_code_too(bench: Bench) -> None:
    gate = bench.folder / "gate"

    async def scenario(host: LambdaHost) -> None:
        await host.reload(reloaded(bench, APP, reserved_concurrency=1))
        running = asyncio.create_task(host.invoke("wait_for_file", {"path": str(gate)}))
        await until(lambda: bool(host.pids()["wait_for_file"]))
        await host.reload(reloaded(bench, NEW, reserved_concurrency=1))
        waiting = asyncio.create_task(host.invoke("wait_for_file", {}))
        assert payload(await host.invoke("echo", {})) == "new"
        assert not waiting.done()
        gate.touch()
        assert isinstance(payload(await running), int)
        assert payload(await waiting) == "new"

    bench.run(scenario)


def test_fork_server_that_was_killed_is_replaced(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        await host.invoke("echo", {})
        (server,), (environment,) = host.pids()["fork_server"], host.pids()["echo"]
        os.kill(server, 9)
        await until(lambda: host.pids()["fork_server"] != [server])
        # It dies with the server, but may take a moment longer.
        await until(lambda: not is_running(environment))
        await asyncio.sleep(0)
        assert payload(await host.invoke("echo", {}))["calls"] == 1

    bench.run(scenario)


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
