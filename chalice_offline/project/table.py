"""A table of ``.chalice/local.toml``."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """Takes no names that it does not know: a misspelt setting is an error, not a default."""

    model_config = ConfigDict(extra="forbid", frozen=True)
