"""``orderflow cancel-all``: cancel all orders of an account, or those that fit."""

from typing import Any

import click

from chalicelib.domain.terms import OrderType
from infra.cli.client import as_a_client, request, rest_address
from infra.cli.session import CliSession


@click.command(name="cancel-all")
@click.option("--base", help="Only orders whose prices are per this token; with --quote, between the two.")
@click.option("--quote", help="Only orders whose prices are in this token.")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([each.value for each in OrderType]),
    help="Only these.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_a_client
@click.pass_obj
def cancel_all(
    session: CliSession,
    base: str | None,
    quote: str | None,
    types: tuple[str, ...],
    *,
    yes: bool,
    url: str | None,
    rest_url: str | None,
    token: str | None,
) -> None:
    """Cancel all orders of the account that were not sent to the chain yet, also those that rest."""
    rest_url = rest_address(session, url, rest_url)
    given = {"baseAsset": base, "quoteAsset": quote, "types": ",".join(types) or None}
    query = {name: value for name, value in given.items() if value is not None}
    if not yes:
        which = ", ".join(f"{name} {value}" for name, value in query.items()) or "all of them"
        click.confirm(f"Cancel the account's orders at {rest_url} ({which})?", abort=True)
    facts: dict[str, Any] = {"canceled": 0, "alreadySent": []}
    has_more = True
    while has_more:
        try:
            done = request("DELETE", f"{rest_url}/orders", token, query=query)
        except click.ClickException as fault:
            if not facts["canceled"]:
                raise
            raise click.ClickException(f"{_said(facts)}; then {fault.message}") from fault
        facts = {"canceled": facts["canceled"] + done["canceled"], "alreadySent": done["alreadySent"]}
        # Where a call cancels nothing of what is left, another would not either.
        has_more = done["more"] and done["canceled"] > 0
    session.show(facts, lambda console: console.print(_said(facts), highlight=False))


def _said(facts: dict[str, Any]) -> str:
    sent = facts["alreadySent"]
    late = f"; already sent: {', '.join(sent)}" if sent else ""
    return f"{facts['canceled']} orders canceled{late}"
