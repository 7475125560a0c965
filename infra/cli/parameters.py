"""Kinds of arguments and options, each with the rule that its values keep to.

A command exits with 2 for what was typed wrongly, whether click finds it or the command itself, and with 1
for what was typed well and cannot be done.
"""

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import urlsplit

import click

from chalicelib.adapters.solana.keys import pubkey
from chalicelib.domain.errors import FieldError, InvalidRequestError
from chalicelib.domain.principals import is_account_id
from chalicelib.domain.tokens import Token
from chalicelib.wire.fields import TEXT_LENGTH_MAX

_EXPONENT_MAX: Final = 18
_SCHEMES: Final = ("http", "https", "ws", "wss")


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


class ServiceUrl(click.ParamType[str]):
    """Where the engine is, or another service."""

    name = "url"

    def __init__(self, schemes: Sequence[str] = _SCHEMES) -> None:
        self._schemes = schemes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the URL."""
        try:
            parts = urlsplit(value)
            is_one = parts.scheme in self._schemes and is_host(parts.hostname) and parts.port != 0
        except ValueError:
            is_one = False
        if not is_one:
            *others, last = self._schemes
            said = f"must be a {', '.join(others)} or {last} URL, such as http://127.0.0.1:3000"
            self.fail(said, param, ctx)
        return str(value)


def is_host(name: str | None) -> bool:
    """Return whether a name can be looked up: its parts may have 63 characters each (RFC 1035, 2.3.4)."""
    try:
        return bool(name and name.encode("idna"))
    except UnicodeError:
        return False


class Matching(click.ParamType[str]):
    """Text of a kind that a pattern describes to the command, and ``rule`` to its user."""

    name = "text"

    def __init__(self, pattern: str, rule: str) -> None:
        self._pattern = re.compile(pattern)
        self._rule = rule

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        if not self._pattern.fullmatch(value):
            self.fail(f"must be {self._rule}", param, ctx)
        return str(value)


class PrintableText(click.ParamType[str]):
    """Text of one line."""

    name = "text"

    def __init__(self, length_max: int = TEXT_LENGTH_MAX) -> None:
        self._length_max = length_max

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        if not (1 <= len(value) <= self._length_max and value.isprintable()):
            self.fail(f"must be 1 to {self._length_max} printable characters", param, ctx)
        return str(value)


NAME: Final = Matching(r"[A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits, - or _")
"""Of a stage, a venue, a pool."""

BEARER: Final = Matching(r"[!-~]{0,4096}", "at most 4096 visible ASCII characters, without spaces")
"""A token, no longer than the engine reads; an empty one is none."""


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
