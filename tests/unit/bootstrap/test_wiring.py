"""What the wiring refuses."""

import pytest

from chalicelib.bootstrap import Services
from chalicelib.config import ConfigurationError, Settings


def test_no_wallet_is_derived_from_an_empty_seed() -> None:
    services = Services(Settings(database_url="postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(ConfigurationError, match="WALLET_SEED"):
        _ = services.market.chain
