"""The application's log and metrics: JSON lines by Powertools, correlated by order and connection."""

from typing import Final

from aws_lambda_powertools import Logger

SERVICE: Final = "orderflow"

logger: Final = Logger(service=SERVICE)
