"""The shape of documents that CloudFormation takes and gives."""

from typing import Any

JsonObject = dict[str, Any]
