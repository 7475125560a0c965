"""``orderflow cancel-all`` where the engine answers in its middle no more."""

import pytest
from click.testing import CliRunner

from infra.cli.orderflow import orderflow
from tests.fakes.http_server import scripted_server
from tests.unit.infra.cli.test_client import answer


def test_cancel_all_that_fails_in_its_middle_tells_what_was_canceled_before() -> None:
    some = '{"canceled":500,"alreadySent":["a"],"more":true}'
    with scripted_server(answer("200 OK", some)) as server:
        server.later = [answer("502 Bad Gateway", "")]
        done = CliRunner().invoke(orderflow, ["cancel-all", "--yes", "--url", server.address.geturl()])
    assert done.exit_code == 1
    assert "500 orders canceled; already sent: a; then http://" in done.stderr
    assert "whether it was done is not known" in done.stderr


@pytest.mark.parametrize("path", ["", "/ws", "/api"])
def test_cancel_all_asks_the_engine_that_the_shell_names_for_trade_and_watch(path: str) -> None:
    some = '{"canceled":3,"alreadySent":[],"more":false}'
    with scripted_server(answer("200 OK", some)) as server:
        shell = {"ORDERFLOW_URL": f"{server.address.geturl()}{path}", "ORDERFLOW_HOME": "nowhere"}
        done = CliRunner().invoke(orderflow, ["cancel-all", "--yes"], env=shell)
    assert done.output == "3 orders canceled\n"


def test_cancel_all_asks_the_rest_api_where_it_has_a_host_of_its_own() -> None:
    some = '{"canceled":3,"alreadySent":[],"more":false}'
    with scripted_server(answer("200 OK", some)) as server:
        shell = {
            "ORDERFLOW_URL": "wss://other.test/ws",
            "ORDERFLOW_REST_URL": f"{server.address.geturl()}/api",
        }
        done = CliRunner().invoke(orderflow, ["cancel-all", "--yes"], env=shell)
    assert done.output == "3 orders canceled\n"
