"""Whose tokens a swap moves, and who signs for it."""

from typing import NamedTuple

from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.pda import associated_token_account


class TradingWallet(NamedTuple):
    """An account's wallet.

    Attributes:
        authority: Signs, pays the fees, and holds what lies between two hops.
        owner: Holds input and output. Another key than ``authority`` if that is only its delegate.
    """

    authority: Pubkey
    owner: Pubkey

    @property
    def is_delegated(self) -> bool:
        return self.authority != self.owner

    def account(self, mint: Pubkey, token_program: Pubkey) -> Pubkey:
        """Return the owner's token account."""
        return associated_token_account(self.owner, mint, token_program)

    def between(self, mint: Pubkey, token_program: Pubkey) -> Pubkey:
        """Return where a token lies between two hops of one transaction."""
        return associated_token_account(self.authority, mint, token_program)
