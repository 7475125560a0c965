"""The one-shot function that prepares a database, on a real one."""

import hashlib
import hmac
import json
import socket
import threading
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from chalicelib.adapters.aws.secrets import login_url
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.migrations.app_login import let_in
from chalicelib.prepare import main, prepare_from_secrets
from tests.support.cutting_proxy import CuttingProxy

APP = "orderflow_test_login"
TOKENS = """
default_pair = "SOL/USDC"
[tokens]
SOL = { scale = 9, max_order = "1", leg_cost = "0.1", mint = "So11111111111111111111111111111111111111112" }
USDC = { scale = 6, max_order = "1", leg_cost = "0.1", mint = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU" }
NEW = { scale = 6, max_order = "1", leg_cost = "0.1", mint = "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB" }
"""


def secret(url: str, *, username: str | None = None, password: str | None = None) -> str:
    address = make_url(url)
    login = {"username": username or address.username, "password": password or address.password}
    return json.dumps({**login, "host": address.host, "port": address.port, "dbname": address.database})


@pytest.fixture
def app_secret(database_url: str) -> Iterator[str]:
    yield secret(database_url, username=APP, password="it's 100% secret")
    owner = make_engine(database_url)
    with owner.begin() as connection:
        connection.execute(text(f"DROP ROLE IF EXISTS {APP}"))
    owner.dispose()


@pytest.fixture
def as_app(database_url: str, app_secret: str) -> Iterator[Engine]:
    prepare_from_secrets(secret(database_url), app_secret, host="")
    engine = make_engine(login_url(app_secret))
    yield engine
    engine.dispose()


def test_functions_login_reads_orders_and_cannot_drop_them(as_app: Engine) -> None:
    with as_app.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar_one() == 0
    with pytest.raises(ProgrammingError, match="must be owner"), as_app.begin() as connection:
        connection.execute(text("DROP TABLE orders CASCADE"))


def test_password_is_in_no_statement_that_a_database_may_log(database_url: str, app_secret: str) -> None:
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        said.append(f"{statement} {parameters}")

    event.listen(Engine, "before_cursor_execute", note)
    try:
        prepare_from_secrets(secret(database_url), app_secret, host="")
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert [each for each in said if "ALTER ROLE" in each and "SCRAM-SHA-256$" in each]
    assert not [each for each in said if "100% secret" in each or "100%% secret" in each]


def test_what_postgres_keeps_of_the_password_is_what_it_would_have_made_of_it(
    database_url: str, as_app: Engine
) -> None:
    # The tests' server trusts everyone. RFC 5802 (3), and the salt that was taken.
    assert as_app
    owner = make_engine(database_url)
    with owner.connect() as connection:
        kept = connection.execute(
            text("SELECT rolpassword FROM pg_authid WHERE rolname = :name"), {"name": APP}
        ).scalar_one()
    owner.dispose()
    mechanism, rounds_and_salt, keys = kept.split("$")
    rounds, salt = rounds_and_salt.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", b"it's 100% secret", b64decode(salt), int(rounds))
    client_key, server_key = (hmac.digest(salted, said, "sha256") for said in (b"Client Key", b"Server Key"))
    made = [hashlib.sha256(client_key).digest(), server_key]
    assert (mechanism, [b64decode(each) for each in keys.split(":")]) == ("SCRAM-SHA-256", made)
    assert int(rounds) >= 4_096


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_login_gets_the_name_that_it_is_given_with_either_driver(
    database_url: str, as_app: Engine, driver: str
) -> None:
    assert as_app
    owner = make_engine(make_url(database_url).set(drivername=driver).render_as_string(hide_password=False))
    name = '100% o\'%s "x"'
    let_in(owner, name, "secret")
    let_in(owner, name, "secret")
    with owner.begin() as connection:
        found = connection.execute(
            text("SELECT pg_has_role(:name, 'orderflow_app', 'member')"), {"name": name}
        ).scalar_one()
        quoted = connection.execute(text("SELECT quote_ident(:name)"), {"name": name}).scalar_one()
        connection.execute(text("SELECT set_config('test.name', :name, true)"), {"name": quoted})
        connection.execute(text("DO $$ BEGIN EXECUTE 'DROP ROLE ' || current_setting('test.name'); END $$"))
    owner.dispose()
    assert found


def test_preparing_again_gives_the_login_the_secrets_new_password(database_url: str, as_app: Engine) -> None:
    changed = secret(database_url, username=APP, password="rotated")
    assert prepare_from_secrets(secret(database_url), changed, host="")
    engine = make_engine(login_url(changed))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == APP
    engine.dispose()
    as_app.dispose()


def test_command_lets_the_functions_login_in_that_it_is_told_of(
    database_url: str, app_secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions_url = login_url(app_secret)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("FUNCTIONS_DATABASE_URL", functions_url)
    assert main() == 0
    engine = make_engine(functions_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == APP
        assert connection.execute(text("SELECT count(*) FROM market.pools")).scalar_one() > 0
    engine.dispose()


def test_command_opens_no_simulated_market_for_another_chain(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CHAIN", "solana")
    assert main() == 0
    engine = make_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar_one() == 0
        assert connection.execute(text("SELECT count(*) FROM market.pools")).scalar_one() == 0
        assert connection.execute(text("SELECT count(*) FROM market.faucet")).scalar_one() == 0
    engine.dispose()


@pytest.mark.parametrize(
    ("chain", "problem"), [("solana", "SOLANA_RPC_URLS: is missing"), ("bitcoin", "'simulated' or")]
)
def test_runtime_is_not_prepared_for_a_chain_that_no_order_could_be_executed_on(
    chain: str,
    problem: str,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runtime = {"DATABASE_URL": database_url, "AUTH_MODE": "none", "LOCAL_GATEWAY_HOST": "127.0.0.1"}
    for name, value in {**runtime, "CHAIN": chain}.items():
        monkeypatch.setenv(name, value)
    assert main() == 2
    assert problem in capsys.readouterr().err


def test_command_refuses_the_owner_as_the_functions_login(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("FUNCTIONS_DATABASE_URL", database_url)
    assert main() == 2
    assert "not the owner's" in capsys.readouterr().err


def test_secret_of_the_owner_alone_makes_no_login(database_url: str) -> None:
    owner = secret(database_url)
    assert prepare_from_secrets(owner, owner, host="")


def test_host_given_goes_before_the_one_in_the_secret() -> None:
    login = json.dumps(
        {"username": "a b", "password": "p/w", "host": "cluster", "port": 5433, "dbname": "orders"}
    )
    assert login_url(login, host="proxy") == "postgresql://a%20b:p%2Fw@proxy:5433/orders"
    assert login_url(login) == "postgresql://a%20b:p%2Fw@cluster:5433/orders"


@pytest.mark.parametrize(("caps", "status"), [("SOL=1/2,USDC=1/2,NEW=1/2", 0), ("SOL=1/2,USDC=1/2", 2)])
def test_caps_are_demanded_for_the_tokens_that_are_traded_and_no_others(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caps: str, status: int
) -> None:
    """As the engine demands them: of ``TOKENS_FILE``, whatever the list that it stands for has."""
    for name, content in (("tokens.toml", TOKENS), ("pools.toml", "")):
        (tmp_path / name).write_text(content)
    runtime = {"DATABASE_URL": database_url, "AUTH_MODE": "none", "LOCAL_GATEWAY_HOST": "127.0.0.1"}
    chain = {"CHAIN": "solana", "SOLANA_RPC_URLS": "http://127.0.0.1:1", "SOLANA_CLUSTER": "mainnet"}
    files = {
        "TOKENS_FILE": str(tmp_path / "tokens.toml"),
        "SOLANA_POOLS_FILE": str(tmp_path / "pools.toml"),
    }
    leave = {"SOLANA_ALLOW_MAINNET": "1", "SOLANA_CAPS": caps, "WALLET_SEED": "seed"}
    for name, value in (runtime | chain | files | leave).items():
        monkeypatch.setenv(name, value)
    assert main() == status


STARTING = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


def test_server_that_starts_after_it_was_killed_is_waited_for(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = make_url(database_url)
    assert address.host
    assert address.port
    with socket.create_server(("127.0.0.1", 0)) as starting:
        proxy = CuttingProxy(*starting.getsockname())

        def refuse_one() -> None:
            connection, _ = starting.accept()
            with connection:
                connection.recv(1024)
                proxy.lead_others_to(str(address.host), int(address.port or 0))
                connection.sendall(b"E" + (len(STARTING) + 4).to_bytes(4, "big") + STARTING)
                connection.recv(1024)

        server = threading.Thread(target=refuse_one)
        server.start()
        url = address.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        monkeypatch.setenv("DATABASE_URL", url)
        assert main() == 0
        server.join()
        proxy.close()
