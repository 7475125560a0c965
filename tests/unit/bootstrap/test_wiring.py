"""What the wiring refuses."""

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
