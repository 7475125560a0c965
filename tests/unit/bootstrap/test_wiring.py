"""What the wiring refuses."""

from pathlib import Path

import pytest

from chalicelib.adapters.aws.connections_by_api import ConnectionsByApi
from chalicelib.adapters.aws.management_api import ManagementApi
from chalicelib.bootstrap import Services
from chalicelib.config import ConfigurationError, Settings
from chalicelib.services.ports import Delivery, Frame


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


def test_frames_go_to_the_one_management_api_that_the_settings_name() -> None:
    services = Services(Settings(connections_url="https://127.0.0.1:9/ws"))
    assert isinstance(services.connections, ManagementApi)


def test_frames_go_where_their_connections_came_in_if_the_settings_name_no_management_api() -> None:
    services = Services(Settings(connections_hosts="a.execute-api.eu-west-1.amazonaws.com, "))
    assert isinstance(services.connections, ConnectionsByApi)
    strangers = [f"c=@{host}/api" for host in ("b.execute-api.eu-west-1.amazonaws.com", "evil.example.com")]
    posted = services.connections.post(Frame(name, "{}") for name in strangers)
    assert posted == dict.fromkeys(strangers, Delivery.GONE)


def test_no_wallet_is_derived_from_an_empty_seed() -> None:
    services = Services(Settings(database_url="postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(ConfigurationError, match="WALLET_SEED"):
        _ = services.market.chain


def test_tokens_are_those_of_the_file_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    mints = {
        "A": "So11111111111111111111111111111111111111112",
        "B": "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU",
    }
    entries = [
        f'{name} = {{ scale = 6, max_order = "1", leg_cost = "0.1", mint = "{mint}" }}'
        for name, mint in mints.items()
    ]
    path.write_text("\n".join(['default_pair = "A/B"', "[tokens]", *entries]))
    services = Services(Settings(tokens_file=str(path)))
    assert [token.symbol for token in services.tokens] == ["A", "B"]


FINE = 'default_pair = "A/A"\n[tokens]\nA = { scale = 0, mint = "m", max_order = "1", leg_cost = "0.1" }'


@pytest.mark.parametrize("content", [None, "tokens", '[tokens]\nA = {}\ndefault_pair = "A/A"', FINE])
def test_file_of_tokens_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokens.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"TOKENS_FILE: .*tokens\.toml"):
        _ = Services(Settings(tokens_file=str(path))).tokens
