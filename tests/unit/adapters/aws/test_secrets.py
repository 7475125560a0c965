"""The secret in which RDS keeps a login; what fetches it is tried in ``tests/integration``."""

import json

import pytest
from sqlalchemy.engine import make_url

from chalicelib.adapters.aws.secrets import login_url

LOGIN = {"username": "app", "password": "p", "host": "db", "port": 5433, "dbname": "orders"}


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
