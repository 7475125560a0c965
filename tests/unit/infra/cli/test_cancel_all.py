"""``orderflow cancel-all`` where the engine answers in its middle no more."""

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
