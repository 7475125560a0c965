"""Resting orders and the commands that change the market: what waits for a price is looked at then."""

import os
from collections.abc import Collection, Mapping
from typing import Final
from weakref import WeakKeyDictionary

import click

from chalicelib.bootstrap import Services
from chalicelib.config import Settings
from chalicelib.domain.errors import RetryableError
from infra.cli.session import CliSession

_OF_SESSIONS: Final[WeakKeyDictionary[CliSession, Services]] = WeakKeyDictionary()


def look_at_resting_orders(session: CliSession, pool_ids: Collection[str]) -> int | None:
    """Have the orders looked at that wait for prices of these pools; return how many were woken.

    None if that is left to the schedule, which looks each second while anything waits: where no runtime is
    running (or another database was named), there is no queue to send what was fired to.
    """
    environment = session.running_environment()
    if not pool_ids or environment is None:
        return None
    try:
        watcher = _services(session, environment).price_watcher
        return watcher.market_changed(pool_ids).fired
    except RetryableError as fault:
        raise click.ClickException(
            f"the market is changed, and resting orders were not looked at: {fault.message}"
        ) from fault


def _services(session: CliSession, environment: Mapping[str, str]) -> Services:
    """Return the use cases of the running runtime; its own credentials sign the requests to its queue.

    The shell's are for AWS, and the runtime's for nothing else. They end with the session.
    """
    if session not in _OF_SESSIONS:
        shells = dict(os.environ)
        os.environ.update({name: value for name, value in environment.items() if name.startswith("AWS_")})
        try:
            made = Services(Settings.from_env(environment))
            made.queue.check()  # with the credentials that are in force now, and from now on
        finally:
            os.environ.clear()
            os.environ.update(shells)
        session.at_end(made.clients.close)
        _OF_SESSIONS[session] = made
    return _OF_SESSIONS[session]
