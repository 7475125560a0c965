"""Connections by name: where a frame for one may go, and where it may not."""

from typing import Any

import pytest

from chalicelib.wire.connection_names import ApiStage, ConnectionNames, UnknownApiError, management_url

HOST = "abc123.execute-api.eu-central-1.amazonaws.com"
CONTEXT = {"apiId": "abc123", "domainName": HOST, "stage": "api", "connectionId": "TXzPWdnOjoECGjA="}
NAMES = ConnectionNames("us-east-1")


def context(**changed: Any) -> dict[str, Any]:
    return CONTEXT | changed


def test_name_says_the_connection_and_the_api_and_region_that_its_events_name() -> None:
    name = NAMES.of_event(CONTEXT)
    assert name == f"TXzPWdnOjoECGjA=@{HOST}/api"
    assert NAMES.parse(name) == ("TXzPWdnOjoECGjA=", ApiStage(HOST, "api"))
    assert ApiStage(HOST, "api").region == "eu-central-1"


@pytest.mark.parametrize(
    ("region", "domain", "host"),
    [
        ("us-east-1", "orders.example.com", "abc123.execute-api.us-east-1.amazonaws.com"),
        ("us-gov-west-1", "abc123.execute-api.localhost", "abc123.execute-api.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "orders.example.cn", "abc123.execute-api.cn-north-1.amazonaws.com.cn"),
        # Not the API that the event came by: an answer there would go to others.
        (
            "us-east-1",
            "other.execute-api.eu-central-1.amazonaws.com",
            "abc123.execute-api.us-east-1.amazonaws.com",
        ),
    ],
)  # fmt: skip
def test_api_under_another_name_is_reached_under_its_own(region: str, domain: str, host: str) -> None:
    assert ConnectionNames(region).of_event(context(domainName=domain)).endswith(f"@{host}/api")


@pytest.mark.parametrize(
    "name",
    [
        "TXzPWdnOjoECGjA=",
        "@" + HOST + "/api",
        "c=@evil.example.com/api",
        f"c=@{HOST}.evil.example.com/api",
        f"c=@{HOST}",
        f"c=@{HOST}/",
        f"c=@{HOST}/api/../x",
        f"c=@{HOST}:81/api",
        f"c=@x@{HOST.upper()}/api",
    ],
)
def test_name_that_leads_to_no_api_gateway_is_refused(name: str) -> None:
    with pytest.raises(UnknownApiError):
        NAMES.parse(name)


@pytest.mark.parametrize("changed", [{"apiId": "evil.example.com/x?"}, {"stage": "a/b"}, {"stage": ""}])
def test_event_that_names_no_stage_of_an_api_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(UnknownApiError):
        NAMES.of_event(context(**changed))


def test_only_hosts_that_the_deployment_is_for_are_accepted_where_it_names_them() -> None:
    names = ConnectionNames("us-east-1", {HOST})
    name = names.of_event(CONTEXT)
    assert names.parse(name)[1].host == HOST
    other = name.replace("abc123", "other")
    assert NAMES.parse(other)
    with pytest.raises(UnknownApiError, match="CONNECTIONS_HOSTS"):
        names.parse(other)


def test_management_api_is_at_the_host_or_at_the_emulator_in_its_place() -> None:
    api = ApiStage(HOST, "api")
    assert management_url(api) == f"https://{HOST}/api"
    emulated = management_url(api, "http://127.0.0.1:4566/")
    assert emulated == "http://127.0.0.1:4566/_aws/execute-api/abc123/api"
