"""Tokens that are in no list: known once a pool of them is, and asked for when an order names one.

A mint's decimals never change, so what a process has learned holds for as long as it lives; listed tokens are
never asked for.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.tokens import Tokens, new_token
from chalicelib.logs import logger
from chalicelib.services.ports import Mints


class NoMints:
    """``Mints`` of a market whose pools trade listed tokens alone."""

    def decimals(self, mints: Collection[str]) -> Mapping[str, int]:
        del mints
        return MappingProxyType({})


NO_MINTS: Final[Mints] = NoMints()


class LearnMints:
    """Teaches the tokens what the market knows of mints that orders name."""

    def __init__(self, tokens: Tokens, mints: Mints = NO_MINTS) -> None:
        self._tokens = tokens
        self._mints = mints

    def learn(self, names: Collection[str]) -> Tokens:
        """Return the tokens; they know of the mints among some names what the market knows.

        Raises:
            RetryableError: The market cannot be asked now.
        """
        if unknown := self._tokens.unknown_mints(names):
            for mint, decimals in self._mints.decimals(unknown).items():
                self._tokens.learn(new_token(mint, decimals))
        return self._tokens

    def learn_if_possible(self, names: Collection[str]) -> Collection[str]:
        """Learn of the mints among some names; return those for which the market could not be asked."""
        try:
            self.learn(names)
        except RetryableError as fault:
            logger.warning("mints not read", reason=fault.message)
            return self._tokens.unknown_mints(names)
        return ()
