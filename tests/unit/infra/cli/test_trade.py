"""``orderflow trade``: lines, frames and exit statuses, on an engine that follows the contract."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from chalice_offline.state_dir import StateDir
from infra.cli.orderflow import orderflow
from infra.cli.trade import EXIT_BY_STATUS, OUTCOME_UNKNOWN
from orderflow_client import FINAL
from tests.fakes.engine_server import LIFE, PREVIEW, FakeEngine
from tests.unit.orderflow_client.test_sync import an_engine

Run = Callable[..., Result]


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with an_engine() as engine:
        yield engine


@pytest.fixture
def run(engine: FakeEngine) -> Run:
    def run(*words: str, flags: tuple[str, ...] = ()) -> Result:
        where = ("--url", engine.url, "--rest-url", engine.rest_url)
        return CliRunner().invoke(orderflow, [*flags, "trade", *where, *words])

    return run


def test_order_is_followed_line_by_line_to_its_end(engine: FakeEngine, run: Run) -> None:
    result = run("sell", "1.5")
    assert result.exit_code == 0
    first, *lines = result.output.splitlines()
    (order_id,) = engine.orders
    assert first == f"{order_id[:8]}…{order_id[-4:]} accepted   {order_id}"
    assert [line.split()[2] for line in lines] == list(LIFE)
    (frame,) = engine.received
    assert (frame["side"], frame["amount"], frame["baseAsset"]) == ("sell", "1.5", "SOL")


def test_json_is_one_frame_on_each_line(run: Run) -> None:
    frames = [json.loads(line) for line in run("sell", "1", flags=("--json",)).output.splitlines()]
    assert [frame["type"] for frame in frames] == ["accepted"] + ["order"] * len(LIFE)


@pytest.mark.parametrize("status", ["failed", "expired", "canceled"])
def test_exit_status_says_how_the_order_ended(engine: FakeEngine, run: Run, status: str) -> None:
    engine.life = ("pending", status)
    assert run("sell", "1").exit_code == EXIT_BY_STATUS[status]


def test_every_final_status_has_its_own_exit_status() -> None:
    assert EXIT_BY_STATUS.keys() == FINAL
    assert len({*EXIT_BY_STATUS.values()}) == len(FINAL)


def test_interrupt_before_the_acceptance_names_the_key_to_repeat_it_with(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orderflow_client.sync.Client.submit", interrupted)
    result = run("sell", "1", "--key", "mine")
    assert result.exit_code == OUTCOME_UNKNOWN
    assert "Repeat with --key mine" in result.output


def test_refusal_says_what_is_wrong(engine: FakeEngine, run: Run) -> None:
    engine.refusals["submit"] = deque(
        [{"code": "INVALID_REQUEST", "message": "amount must be greater than 0"}]
    )
    result = run("sell", "0")
    assert result.exit_code == 1
    assert "INVALID_REQUEST: amount must be greater than 0" in result.output


def test_limit_stop_and_key_travel_as_the_contract_has_them(engine: FakeEngine, run: Run) -> None:
    run("buy", "2", "SOL/USDC", "--limit", "140", "--key", "mine", "--detach")
    run("sell", "2", "--stop", "120", "--detach")
    run("sell", "2", "--take-profit", "180", "--detach")
    limit, stop, profit = engine.received
    assert (limit["type"], limit["limitPrice"], limit["clientOrderId"]) == ("limit", "140", "mine")
    assert stop["trigger"] == {"price": "120", "when": "below"}
    assert profit["trigger"] == {"price": "180", "when": "above"}


def test_stop_of_a_buy_waits_for_the_price_to_rise_and_its_take_profit_for_it_to_fall(
    engine: FakeEngine, run: Run
) -> None:
    run("buy", "2", "--stop", "180", "--detach")
    run("buy", "2", "--take-profit", "120", "--detach")
    stop, profit = engine.received
    assert stop["trigger"] == {"price": "180", "when": "above"}
    assert profit["trigger"] == {"price": "120", "when": "below"}


def test_dry_run_says_what_would_happen_and_submits_nothing(engine: FakeEngine, run: Run) -> None:
    result = run("sell", "1", "--dry-run")
    assert (result.exit_code, result.output) == (0, f"{PREVIEW['summary']}\n")
    assert json.loads(run("sell", "1", "--dry-run", flags=("--json",)).output)["verdict"] == "executeNow"
    assert engine.orders == {}


def test_dry_run_of_what_would_be_refused_names_the_checks_that_did_not_pass(
    engine: FakeEngine, run: Run
) -> None:
    checks = [
        {"check": "rate", "result": "passed", "message": "is within the limit"},
        {"check": "openOrders", "result": "failed", "message": "too many open orders"},
        {"check": "funds", "result": "unknown", "message": "looked at when it executes"},
    ]
    engine.preview = PREVIEW | {"verdict": "refused", "summary": "Would be refused.", "checks": checks}
    result = run("sell", "1", "--dry-run")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "Would be refused.",
        "failed   openOrders: too many open orders",
        "unknown  funds: looked at when it executes",
    ]


@pytest.mark.parametrize(
    "words", [("hold", "1"), ("sell", "1", "SOL"), ("sell", "1", "--stop", "1", "--take-profit", "2")]
)
def test_words_that_make_no_order_are_refused(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_key_that_came_out_empty_is_refused_and_no_other_is_made_instead(
    engine: FakeEngine, run: Run
) -> None:
    result = run("sell", "1", "--key", "", "--detach")
    assert (result.exit_code, "'--key'" in result.output) == (2, True)
    assert engine.received == []


@pytest.fixture
def home(tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[StateDir]:
    """A runtime's directory; a program that it does not name listens at the default port."""
    monkeypatch.setenv("ORDERFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("ORDERFLOW_PORT", str(urlsplit(engine.url).port))
    monkeypatch.setenv("ORDERFLOW_REST_URL", engine.rest_url)
    monkeypatch.delenv("ORDERFLOW_URL", raising=False)
    state = StateDir(tmp_path)
    yield state
    state.release()


def an_order() -> Result:
    return CliRunner().invoke(orderflow, ["trade", "sell", "1", "--token", "secret"])


def test_order_goes_to_the_runtime_that_runs(home: StateDir, engine: FakeEngine) -> None:
    home.acquire()
    home.write_status({"url": engine.url})
    assert an_order().exit_code == 0
    assert len(engine.received) == 1


def test_without_a_runtime_nothing_is_sent_to_what_listens_at_its_port(
    home: StateDir, engine: FakeEngine
) -> None:
    result = an_order()
    assert result.exit_code == 1
    assert engine.credentials == []
    for word in (str(home.path / "status.json"), "make run", "ORDERFLOW_HOME", "--url"):
        assert word in result.output


def test_what_a_killed_runtime_left_names_no_address(home: StateDir, engine: FakeEngine) -> None:
    home.acquire()
    home.write_status({"url": engine.url})
    home.release()
    assert an_order().exit_code == 1
    assert engine.credentials == []
