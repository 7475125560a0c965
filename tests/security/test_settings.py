"""The settings under which the application refuses to start."""

import pytest

from chalicelib.config import AuthMode, ConfigurationError, Settings
from tests.security.tokens import SECRET

JWT = {"AUTH_MODE": "jwt", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_no_authentication_is_allowed_on_a_loopback_address(host: str) -> None:
    settings = Settings.from_env({"AUTH_MODE": "none", "STAGE": "local", "LOCAL_GATEWAY_HOST": host})
    assert settings.auth_mode is AuthMode.NONE


@pytest.mark.parametrize(
    "environment",
    [
        {"STAGE": "local", "LOCAL_GATEWAY_HOST": "0.0.0.0"},  # noqa: S104  # what must be refused
        {"STAGE": "local", "LOCAL_GATEWAY_HOST": "::"},
        {"STAGE": "local", "LOCAL_GATEWAY_HOST": "example.com"},
        {"STAGE": "local"},
        {},
        {"STAGE": "prod", "LOCAL_GATEWAY_HOST": "127.0.0.1"},
        {"STAGE": "prod"},
    ],
)
def test_no_authentication_is_refused_wherever_strangers_could_be(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="AUTH_MODE"):
        Settings.from_env({"AUTH_MODE": "none", **environment})


@pytest.mark.parametrize("stage", ["local", "prod"])
def test_no_word_on_authentication_means_that_it_is_on(stage: str) -> None:
    with pytest.raises(ConfigurationError, match="JWKS_URL or JWT_SECRET"):
        Settings.from_env({"STAGE": stage})


@pytest.mark.parametrize(
    "wrong",
    [
        {"JWT_SECRET": SECRET, "JWT_ISSUER": ""},
        {"JWT_SECRET": SECRET, "JWT_AUDIENCE": ""},
        {"JWT_SECRET": "short"},
        {"JWT_SECRET": SECRET, "JWT_ALGORITHM": "RS256"},
        {"JWT_SECRET": SECRET, "JWT_ALGORITHM": "none"},
        {"JWKS_URL": "https://issuer.example/keys", "JWT_ALGORITHM": "HS256"},
        {"JWKS_URL": "http://issuer.example/keys", "STAGE": "prod"},
    ],
)
def test_settings_that_would_weaken_verification_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env(JWT | wrong)
    assert SECRET not in str(refused.value)


def test_settings_never_show_their_secrets() -> None:
    secrets = {
        "JWT_SECRET": SECRET,
        "WALLET_SEED": "a seed of a wallet",
        "DATABASE_URL": "postgresql://u:pw@h/d",
    }
    shown = repr(Settings.from_env(JWT | secrets))
    assert not any(secret in shown for secret in secrets.values())
