"""Kinds of arguments and options, each with the rule that its values keep to.

A command exits with 2 for what was typed wrongly, whether click finds it or the command itself, and with 1
for what was typed well and cannot be done.
"""

import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import urlsplit

import click

from chalicelib.adapters.solana.keys import pubkey
from chalicelib.domain.errors import FieldError, InvalidRequestError
from chalicelib.domain.principals import is_account_id
from chalicelib.domain.tokens import Token

_EXPONENT_MAX: Final = 18
_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})


def wrong(option: str, problem: object) -> click.BadParameter:
    """Return the usage error of an option's or argument's value, by its name as it is typed."""
    if isinstance(problem, InvalidRequestError) and problem.details:
        problem = "; ".join(each.problem for each in problem.details)
    return click.BadParameter(str(problem), param_hint=f"'{option}'")


class FiniteRange(click.FloatRange):
    """A number between two bounds. ``FloatRange`` takes NaN, which is beyond none, and infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is no number that can be counted with", param, ctx)
        return found


class PositiveDecimal(click.ParamType[Decimal]):
    """A positive decimal, exactly as it is typed."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return the number."""
        try:
            found = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is no number", param, ctx)
        if not found.is_finite() or found <= 0:
            self.fail("must be above 0", param, ctx)
        if abs(found.adjusted()) > _EXPONENT_MAX:
            self.fail(f"must be between 1e-{_EXPONENT_MAX} and 1e{_EXPONENT_MAX}", param, ctx)
        return found


class Account(click.ParamType[str]):
    """An account's id."""

    name = "account"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id."""
        if not is_account_id(value):
            self.fail("an account is 1 to 128 visible ASCII characters", param, ctx)
        return str(value)


class Address(click.ParamType[str]):
    """An address on Solana."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address as it is typed."""
        try:
            pubkey(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class EngineUrl(click.ParamType[str]):
    """Where the engine is."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the URL."""
        try:
            parts = urlsplit(value)
            is_one = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_one = False
        if not is_one:
            self.fail("must be a http, https, ws or wss URL, such as http://127.0.0.1:3000", param, ctx)
        return str(value)


def pair_named(text: str, named: Callable[..., Token], argument: str) -> tuple[Token, Token]:
    """Return the tokens of a pair such as ``SOL/USDC``.

    Args:
        named: Finds a token, as ``Tokens.named`` does.
        argument: What the option or argument is called.

    Raises:
        BadParameter: It is none.
    """
    names = text.split("/")
    if len(names) != 2:
        raise wrong(argument, f"{text}: a pair is two tokens, such as SOL/USDC")
    try:
        first, second = (named(name, field=argument) for name in names)
    except FieldError as error:
        raise wrong(argument, f"{text}: each {error.details[0].problem}") from error
    if first == second:
        raise wrong(argument, f"{text}: a pair is two tokens, such as SOL/USDC")
    return first, second
