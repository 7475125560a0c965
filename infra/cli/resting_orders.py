"""Resting orders and the commands that change the market: what waits for a price is looked at then."""

import os
from collections.abc import Collection
from functools import cache

import click

from chalicelib.bootstrap import Services
from chalicelib.config import Settings
from chalicelib.domain.errors import RetryableError
from infra.cli.session import CliSession


def look_at_resting_orders(session: CliSession, pool_ids: Collection[str]) -> int | None:
    """Have the orders looked at that wait for prices of these pools; return how many were woken.

    None if that is left to the schedule, which looks each second while anything waits: where no runtime is
    running (or another database was named), there is no queue to send what was fired to.
    """
    environment = session.running_environment()
    if not pool_ids or environment is None:
        return None
    watcher = _services(tuple(sorted(environment.items()))).price_watcher
    try:
        return watcher.market_changed(pool_ids).fired
    except RetryableError as fault:
        raise click.ClickException(
            f"the market is changed, and resting orders were not looked at: {fault.message}"
        ) from fault


@cache
def _services(environment: tuple[tuple[str, str], ...]) -> Services:
    """Return the use cases of the running runtime; requests to its queue are signed with its credentials."""
    for name, value in environment:
        if name.startswith("AWS_"):
            os.environ.setdefault(name, value)
    return Services(Settings.from_env(dict(environment)))
