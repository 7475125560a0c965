"""Settings: read from the environment once; what makes them unsafe is in ``tests/security``."""

import pytest
from pydantic import ValidationError

from chalicelib.config import AuthMode, ConfigurationError, Settings
from tests.security.tokens import SECRET

JWT = {"AUTH_MODE": "jwt", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a", "JWT_SECRET": SECRET}


def test_variables_are_the_names_in_upper_case_and_others_are_ignored() -> None:
    settings = Settings.from_env(JWT | {"LEASE_MS": "7000", "lease_ms": "1", "PATH": "/bin"})
    assert (settings.lease_ms, settings.auth_mode, settings.jwt_issuer) == (7_000, AuthMode.JWT, "i")


def test_empty_variable_is_one_that_is_not_set() -> None:
    assert Settings.from_env(JWT | {"STAGE": "", "LEASE_MS": ""}) == Settings.from_env(JWT)


def test_every_unusable_variable_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env(JWT | {"LEASE_MS": "soon", "ATTEMPTS_MAX": "0", "JWT_LEEWAY_S": "61"})
    assert all(name in str(refused.value) for name in ("LEASE_MS", "ATTEMPTS_MAX", "JWT_LEEWAY_S"))


def test_every_reason_not_to_start_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env({"AUTH_MODE": "none", "STAGE": "prod", "LOCAL_GATEWAY_HOST": "10.0.0.1"})
    assert str(refused.value).count("AUTH_MODE") == 2


@pytest.mark.parametrize(
    "url", ["https://", "https://issuer:abc/keys", "https://[::1/keys", "issuer/keys", "ftp://issuer/keys"]
)
def test_token_issuer_that_is_no_server_is_named(url: str) -> None:
    with pytest.raises(ConfigurationError, match="JWKS_URL: is no address"):
        Settings.from_env(JWT | {"JWKS_URL": url})


@pytest.mark.parametrize(
    ("service", "variable"),
    [("sqs", "SQS"), ("kms", "KMS"), ("secretsmanager", "SECRETS_MANAGER")],
)
@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, "https://{}.us-east-1.amazonaws.com"),
        ({"AWS_REGION": "eu-west-1"}, "https://{}.eu-west-1.amazonaws.com"),
        ({"AWS_REGION": "cn-north-1"}, "https://{}.cn-north-1.amazonaws.com.cn"),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "https://{}-fips.us-east-1.amazonaws.com"),
        ({"AWS_ENDPOINT_URL": "http://all"}, "http://all"),
        ({"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_{}": "http://own"}, "http://own"),
    ],
)
def test_service_is_where_the_sdks_would_look_for_it(
    service: str, variable: str, variables: dict[str, str], endpoint: str
) -> None:
    settings = Settings.from_env(JWT | {name.format(variable): each for name, each in variables.items()})
    found = (settings.sqs_endpoint, settings.kms_endpoint, settings.secrets_endpoint)
    assert endpoint.format(service) in found


def test_service_with_ipv6_as_well_is_asked_where_the_environment_says_so() -> None:
    settings = Settings.from_env(JWT | {"AWS_USE_DUALSTACK_ENDPOINT": "true"})
    assert settings.kms_endpoint == "https://kms.us-east-1.api.aws"
    assert settings.secrets_endpoint == "https://secretsmanager.us-east-1.amazonaws.com"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings.from_env(JWT).lease_ms = 1  # type: ignore[misc]  # that it cannot be is the question


def test_secrets_of_a_deployed_stage_are_found_by_the_names_that_its_stacks_give_them() -> None:
    dev = Settings(stage="dev")
    assert (dev.database_secret, dev.wallet_seed_secret) == (
        "orderflow/dev/database",
        "orderflow/dev/wallet-seed",
    )
    named = Settings(stage="dev", database_secret_arn="arn:a", wallet_seed_secret_arn="arn:b")
    assert (named.database_secret, named.wallet_seed_secret) == ("arn:a", "arn:b")
    local = Settings()
    assert (local.database_secret, local.wallet_seed_secret) == ("", "")
