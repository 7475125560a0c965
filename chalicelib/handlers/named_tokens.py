"""The tokens that a request names: those in no list are looked up, at a rate that the account may have."""

from collections.abc import Collection

from chalicelib.bootstrap import Services
from chalicelib.domain.tokens import Tokens
from chalicelib.services.intake.rates import RequestKind


def tokens_for(use: Services, account_id: str, names: Collection[str]) -> Tokens:
    """Return the tokens; they know of the mints among some names what the market knows.

    Listed tokens cost nothing. A mint that the process does not know yet counts as a quote, since the market
    is asked for it: without that, names made up by the thousand would be as many questions.

    Raises:
        LimitExceededError: The account has asked for too many.
        RetryableError: The market cannot be asked now.
    """
    if use.tokens.unknown_mints(names):
        use.access.requests.admit(account_id, RequestKind.QUOTE)
        use.mints.learn(names)
    return use.tokens


def unread_mints(use: Services, account_id: str, names: Collection[str]) -> Collection[str]:
    """Return the mints among the names of several orders for which the market could not be asked.

    Raises:
        LimitExceededError: As above.
    """
    if not use.tokens.unknown_mints(names):
        return ()
    use.access.requests.admit(account_id, RequestKind.QUOTE)
    return use.mints.learn_if_possible(names)
