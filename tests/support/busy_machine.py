"""Settings of the application for tests: how long an answer takes says how busy the machine is."""

from typing import Final

PATIENCE: Final = {
    "QUOTE_TIME_LIMIT_MS": "10000",
    # A quote that is used late would be asked for again.
    "QUOTE_VALID_MS": "20000",
    # A frame that is taken late would be told twice.
    "POST_TIME_LIMIT_MS": "4000",
    "SOLANA_CALL_TIME_LIMIT_MS": "10000",
}
