"""Settings: read once from the environment, frozen, with the unit in each name."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class ConfigurationError(Exception):
    """The environment lacks something, or holds something unusable; the message lists all of it."""


class Settings(BaseModel):
    """What the application can be told from outside; every name is the variable's, in lower case."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage: str = "local"
    database_url: str = Field(default="", repr=False)
    orders_queue_url: str = ""
    orders_queue_name: str = "orderflow-local-orders"
    websocket_api_id: str = ""
    connections_url: str = ""
    aws_region: str = "us-east-1"
    wallet_seed: str = Field(default="", repr=False)

    lease_ms: int = Field(default=15_000, gt=0)
    attempts_max: int = Field(default=3, ge=1, le=10)
    retry_delay_s: int = Field(default=2, ge=0)
    quote_latency_ms: int = Field(default=150, ge=0)
    quote_time_limit_ms: int = Field(default=1_000, gt=0)
    quote_valid_ms: int = Field(default=2_000, gt=0)
    settlement_latency_ms: int = Field(default=800, ge=0)
    confirmation_wait_ms: int = Field(default=5_000, ge=0)
    confirmation_poll_ms: int = Field(default=50, gt=0)
    post_time_limit_ms: int = Field(default=2_000, gt=0)
    order_lookup_wait_ms: int = Field(default=1_500, ge=0)
    query_page_size_max: int = Field(default=100, gt=0)
    market_faucet: bool = False

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Read every setting from variables of the same name in upper case.

        Raises:
            ConfigurationError: Something is unusable; every problem is listed at once.
        """
        named = {
            name: environment[name.upper()] for name in cls.model_fields if environment.get(name.upper())
        }
        try:
            return cls.model_validate(named)
        except ValidationError as error:
            problems = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
            raise ConfigurationError(problems) from error
