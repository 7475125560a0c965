"""The application's log and metrics: JSON lines by Powertools, correlated by order and connection."""

from typing import Final

from aws_lambda_powertools import Logger

SERVICE: Final = "orderflow"

# Messages are constant, so each names its place already; finding the line costs a fifth of a log call.
logger: Final = Logger(service=SERVICE, location=None)
