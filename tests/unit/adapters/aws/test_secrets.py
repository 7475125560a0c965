"""Secrets as Secrets Manager gives them, and the one in which RDS keeps a login."""

import json
import logging
import subprocess
import sys

import pytest
from sqlalchemy.engine import make_url

from chalicelib.adapters.aws.endpoint import EndpointAnswer
from chalicelib.adapters.aws.http_request import NoAnswerError, NotSentError
from chalicelib.adapters.aws.secrets import LIFESPAN_S, TIME_LIMIT_S, login_url
from chalicelib.adapters.time_left import MARGIN_S, TimeLeft
from chalicelib.domain.errors import RetryableError
from chalicelib.logs import SERVICE
from tests.fakes.secrets_manager import FakeSecretsManager

LOGIN = {"username": "app", "password": "p", "host": "db", "port": 5433, "dbname": "orders"}


def refused(status: int, code: str) -> EndpointAnswer:
    return EndpointAnswer(status, json.dumps({"__type": code, "message": "hunter2 is secret"}).encode())


def test_secret_is_fetched_once_and_then_kept() -> None:
    manager = FakeSecretsManager(arn="first")
    secrets = manager.secrets()
    assert [secrets.text("arn") for _ in range(3)] == ["first"] * 3
    assert manager.fetches == 1


def test_kept_secret_is_fetched_again_once_its_lifespan_is_over() -> None:
    manager = FakeSecretsManager(arn="first")
    secrets = manager.secrets()
    assert secrets.text("arn") == "first"
    manager.values["arn"] = "second"
    manager.now_s = LIFESPAN_S - 1
    assert secrets.text("arn") == "first"
    manager.now_s = LIFESPAN_S
    assert secrets.text("arn") == "second"
    assert manager.fetches == 2


def test_fresh_value_is_fetched_before_the_lifespan_is_over_and_kept_then() -> None:
    manager = FakeSecretsManager(arn="first", other="another")
    secrets = manager.secrets()
    assert [secrets.text(each) for each in ("arn", "other")] == ["first", "another"]
    manager.values["arn"] = "second"
    found = [secrets.text("arn"), secrets.text("arn", is_fresh=True), secrets.text("arn")]
    assert found == ["first", "second", "second"]
    assert manager.fetches == 3


def test_secret_that_is_refused_is_named_to_operators_alone_and_asked_for_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = FakeSecretsManager()
    manager.failing = [refused(400, "AccessDeniedException")]
    with caplog.at_level(logging.INFO, SERVICE), pytest.raises(RetryableError) as fault:
        manager.secrets().text("arn:aws:secretsmanager:us-east-1:123456789012:secret:nothing-here")
    assert "nothing-here" not in str(fault.value)
    assert fault.value.__cause__ is None
    (line,) = caplog.records
    said = line.__dict__
    assert (line.levelname, line.message) == ("ERROR", "secret not readable")
    assert (said["secret_id"].endswith("nothing-here"), said["reason"]) == (True, "400 AccessDeniedException")
    assert not [each for each in said.values() if "hunter2" in str(each)]
    assert manager.fetches == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (NotSentError, "not reached"),
        (NoAnswerError, "no answer"),
        (refused(400, "ThrottlingException"), "400 ThrottlingException"),
        (refused(500, "InternalServiceError"), "500 InternalServiceError"),
    ],
)
def test_fault_of_the_service_that_passes_is_tried_again_and_told_if_it_lasts(
    fault: EndpointAnswer | type[Exception], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    manager = FakeSecretsManager(arn="hunter2")
    secrets = manager.secrets()
    manager.failing = [fault] * 2
    assert secrets.text("arn") == "hunter2"
    manager.failing = [fault] * 9
    with caplog.at_level(logging.INFO, SERVICE), pytest.raises(RetryableError):
        secrets.text("arn", is_fresh=True)
    (line,) = caplog.records
    said = line.__dict__
    assert (line.levelname, line.message) == ("WARNING", "Secrets Manager does not answer")
    assert (said["secret_id"], said["reason"]) == ("arn", reason)
    assert not [each for each in said.values() if "hunter2" in str(each)]
    # What was read before is not lost for that.
    assert secrets.text("arn") == "hunter2"


def test_secret_that_is_not_text_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, SERVICE), pytest.raises(RetryableError, match="not text"):
        FakeSecretsManager(arn=b"\x00hunter2").secrets().text("arn")
    assert [(each.message, each.__dict__["reason"]) for each in caplog.records] == [
        ("secret not readable", "no text")
    ]


def test_nothing_is_asked_that_cannot_be_waited_for() -> None:
    manager, left = FakeSecretsManager(arn="value"), TimeLeft()
    secrets = manager.secrets(time_left=left)
    with (
        left.of_invocation(MARGIN_S + TIME_LIMIT_S - 0.5),
        pytest.raises(RetryableError, match="no time is left"),
    ):
        secrets.text("arn")
    assert manager.fetches == 0
    # What is worth little time may begin it.
    with left.of_invocation(MARGIN_S + TIME_LIMIT_S + 5), left.at_most(0.1):
        assert secrets.text("arn") == "value"
    with left.of_invocation(MARGIN_S):
        assert secrets.text("arn") == "value"


def test_no_aws_library_is_imported_before_a_secret_is_read() -> None:
    code = (
        "import sys; from chalicelib.adapters.aws.secrets import Secrets; Secrets(lambda: None);"
        "print(sys.modules.keys() & {'boto3', 'botocore.session', 'botocore.credentials'})"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "set()\n"


def test_login_is_a_url_of_all_its_parts() -> None:
    assert login_url(json.dumps(LOGIN)) == "postgresql://app:p@db:5433/orders"


def test_proxys_host_goes_before_the_databases_own_and_the_port_may_be_missing() -> None:
    login = {name: value for name, value in LOGIN.items() if name != "port"}
    assert login_url(json.dumps(login), host="proxy") == "postgresql://app:p@proxy:5432/orders"


@pytest.mark.parametrize("password", ["a/b@c:d?e#f", "100%", "ä ö", "'\\\""])
def test_password_of_any_characters_comes_back_as_it_is(password: str) -> None:
    url = make_url(login_url(json.dumps(LOGIN | {"password": password, "username": "a@b"})))
    assert (url.password, url.username, url.host) == (password, "a@b", "db")


@pytest.mark.parametrize("missing", ["username", "password", "host", "dbname"])
def test_secret_that_lacks_a_part_is_no_login(missing: str) -> None:
    login = {name: value for name, value in LOGIN.items() if name != missing}
    with pytest.raises(KeyError):
        login_url(json.dumps(login))


def test_login_of_a_database_without_a_certificate_says_so() -> None:
    assert login_url(json.dumps(LOGIN | {"sslmode": "disable"})).endswith("/orders?sslmode=disable")
    assert login_url(json.dumps(LOGIN | {"sslmode": ""})) == login_url(json.dumps(LOGIN))
