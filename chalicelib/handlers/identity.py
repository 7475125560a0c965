"""Who is calling: the account comes from what the gateway verified, never from a message."""

from collections.abc import Mapping
from typing import Any, Final

LOCAL_ACCOUNT: Final = "local"


def account_of(request_context: Mapping[str, Any]) -> str:
    """Return the account that the authorizer established; the local account where there is no authorizer."""
    authorizer = request_context.get("authorizer") or {}
    account = authorizer.get("principalId")
    return str(account) if account else LOCAL_ACCOUNT
