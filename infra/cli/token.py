"""``orderflow token``: a bearer token for development, signed with the local runtime's own secret."""

import json
import time
from typing import Any, Final

import click

from chalicelib.config import JWT_SECRET_BYTES_MIN
from chalicelib.domain.principals import LOCAL_ACCOUNT, OPERATOR_SCOPE
from infra.cli.parameters import Account, PrintableText, wrong
from infra.cli.session import CliSession, state_dir

TTL_S_MAX: Final = 10 * 365 * 86_400
_NAME: Final = PrintableText(256)


@click.command()
@click.option(
    "--account", type=Account(), default="alice", show_default=True, help="Whom the token stands for."
)
@click.option(
    "--ttl",
    "ttl_s",
    type=click.IntRange(-TTL_S_MAX, TTL_S_MAX),
    default=3600,
    show_default=True,
    help="Seconds until it expires; it has expired already if they are below 0.",
)
@click.option("--issuer", type=_NAME, envvar="JWT_ISSUER", default="orderflow-local", show_default=True)
@click.option("--audience", type=_NAME, envvar="JWT_AUDIENCE", default="orderflow", show_default=True)
@click.option("--secret", envvar="JWT_SECRET", help="Default: that of the runtime at ORDERFLOW_HOME.")
@click.option(
    "--operator", is_flag=True, help="With the operator's scope: queues, dead letters, audit, metrics."
)
@click.pass_obj
def token(
    session: CliSession,
    account: str,
    ttl_s: int,
    issuer: str,
    audience: str,
    secret: str | None,
    *,
    operator: bool,
) -> None:
    """Print a token for a runtime that was started with AUTH_MODE=jwt.

    wscat -c ws://127.0.0.1:3000/ws -H "Authorization: Bearer $(./orderflow token --account alice)"
    """
    if account == LOCAL_ACCOUNT:
        problem = f"{LOCAL_ACCOUNT} is the account of AUTH_MODE=none, which no token stands for"
        raise wrong("--account", problem)
    if secret and len(secret.encode()) < JWT_SECRET_BYTES_MIN:
        raise wrong(
            "--secret", f"must have at least {JWT_SECRET_BYTES_MIN} bytes, as the engine's JWT_SECRET"
        )
    made = make_token(
        secret or _local_secret(),
        account_id=account,
        ttl_s=ttl_s,
        issuer=issuer,
        audience=audience,
        scope=OPERATOR_SCOPE if operator else None,
    )
    session.show({"token": made}, lambda _console: click.echo(made))


def make_token(
    secret: str, *, account_id: str, ttl_s: int, issuer: str, audience: str, scope: str | None
) -> str:
    """Return a token that is good for ``ttl_s`` seconds from now; a negative number makes a dead one."""
    import jwt

    now = int(time.time())
    claims: dict[str, Any] = {
        "sub": account_id,
        "iss": issuer,
        "aud": audience,
        "iat": now + min(0, ttl_s),
        "exp": now + ttl_s,
    }
    if scope is not None:
        claims["scope"] = scope
    return jwt.encode(claims, secret, algorithm="HS256")


def _local_secret() -> str:
    file = state_dir() / "secrets.json"
    try:
        secret: str = json.loads(file.read_text(encoding="utf-8"))["JWT_SECRET"]
    except (OSError, ValueError, KeyError) as error:
        raise click.ClickException(
            f"{file} holds no JWT_SECRET: start the runtime once, or give --secret"
        ) from error
    return secret
