"""Settings of the parts, from what a project and its user want."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from chalice_offline.assembly import api_stages, differences, gateway_settings
from chalice_offline.debugging import DEBUGGING_TIMEOUT_S, Debugging
from chalice_offline.gateway import GatewaySettings
from chalice_offline.gateway.settings import PoolKeys
from chalice_offline.invocation import AppManifest, UserPoolGuard
from chalice_offline.logs import Log
from chalice_offline.options import Options
from chalice_offline.project.functions import Project
from chalice_offline.project.local_toml import LocalToml

AWS = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


def options(app_dir: Path, debugging: Debugging | None = None) -> Options:
    return Options(
        app_dir=app_dir,
        host="127.0.0.1",
        port=8000,
        state_dir=app_dir / "state",
        stage="dev",
        queues=None,
        database_url=None,
        functions_database_url=None,
        aws_endpoint_url=None,
        reloads=True,
        debugging=debugging,
    )


@pytest.fixture
def settings(tmp_path: Path, log: Log) -> Callable[[Debugging | None], GatewaySettings]:
    table = {"api_keys": ["k1"], "limits": {"integration_timeout_s": 5, "idle_s": 60, "requests_per_s": 7}}
    file = LocalToml.model_validate({"gateway": table})

    def settings(debugging: Debugging | None) -> GatewaySettings:
        given = options(tmp_path, debugging)
        return gateway_settings(given, file, api_stages(given, file), aws=AWS, log=log)

    return settings


def test_what_the_project_wants_reaches_the_gateway(
    settings: Callable[[Debugging | None], GatewaySettings],
) -> None:
    made = settings(None)
    assert (made.region, set(made.api_keys), dict(made.credentials)) == ("eu-west-1", {"k1"}, {"k": "s"})
    assert (made.limits.integration_timeout_s, made.limits.idle_s) == (5, 60)


def test_nothing_times_out_while_functions_are_debugged_and_other_limits_stay(
    settings: Callable[[Debugging | None], GatewaySettings],
) -> None:
    limits = settings(Debugging(terminal=None)).limits
    assert {limits.integration_timeout_s, limits.idle_s, limits.duration_s} == {DEBUGGING_TIMEOUT_S}
    assert limits.requests_per_s == 7


def told_of(file: LocalToml, *there: str) -> list[tuple[str, ...]]:
    """Return the routes that are said to be open, a warning's together, of some with user pools, one with
    IAM and some whose authorizer is another's function.
    """
    guard = UserPoolGuard("Authorization", ("eu-west-1_a", "eu-west-1_b"))
    other = UserPoolGuard("Authorization", ("eu-west-1_c",))
    project = Project(
        manifest=AppManifest(
            app_name="app",
            http_user_pools={
                "/me": {"PUT": guard, "GET": guard},
                "/you": {"GET": other},
                "/us": {"GET": guard},
            },
        ),
        functions={},
        queues=(),
        schedules=(),
        notices=(),
        streams=(),
        unsupported=(),
        python="3.11",
        open_routes=(
            "GET /me (CognitoUserPoolAuthorizer)",
            "GET /his (CustomAuthorizer)",
            "PUT /iam (IAMAuthorizer)",
            "GET /theirs (CustomAuthorizer)",
        ),
    )

    async def find_pool(pool_id: str) -> PoolKeys | None:
        return {"k": (1, 1)} if pool_id in there else None

    async def routes() -> list[tuple[str, ...]]:
        found = differences(project, file, find_pool, is_fed=True)
        return [
            tuple(cast("list[str]", facts["routes"]))
            async for message, facts in found
            if message.startswith("open to all")
        ]

    return asyncio.run(routes())


def test_routes_are_said_to_be_open_in_one_warning_unless_one_of_their_pools_is_there() -> None:
    theirs = ("GET /his", "GET /theirs")
    pooled = ("GET /me", "PUT /me", "GET /us")
    assert told_of(LocalToml()) == [pooled, ("GET /you",), ("PUT /iam",), theirs]
    assert told_of(LocalToml(), "eu-west-1_b") == [("GET /you",), ("PUT /iam",), theirs]
    asks = LocalToml.model_validate({"gateway": {"iam": "signed"}})
    assert told_of(asks, "eu-west-1_b", "eu-west-1_c") == [theirs]
