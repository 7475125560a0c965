"""A dry run: an order's checks, and what would become of it. Nothing is stored, and no limit is used up."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from chalicelib.domain.errors import (
    Code,
    ExecutionError,
    LimitExceededError,
    RefusedError,
    RetryableError,
)
from chalicelib.domain.ids import client_order_uuid
from chalicelib.domain.previews import Check, CheckResult, Judgement, Outlook, Preview
from chalicelib.domain.terms import OrderTerms
from chalicelib.domain.tokens import Tokens
from chalicelib.routing.marks import canonical, mark_of
from chalicelib.services.intake.limits import OrderLimits
from chalicelib.services.intake.outlook import MarketSight, conditions_of, judged
from chalicelib.services.intake.submit import is_known
from chalicelib.services.intake.wording import Wording
from chalicelib.services.planning.planner import PlannedSwap, Planner, no_mark, wanted_by
from chalicelib.services.planning.venues import QuoteCollector, VenueAnswers
from chalicelib.services.ports import ClientOrderContents

_KEY: Final = "clientOrderId"
_UNKNOWABLE: Final = (
    Check("funds", CheckResult.UNKNOWN, "what the wallet holds is looked at when the transaction executes"),
    Check(
        "price",
        CheckResult.UNKNOWN,
        "the market may have moved by then; the order's bound holds all the same",
    ),
    Check("chain", CheckResult.UNKNOWN, "whether the transaction lands in time is known when it has"),
)

_END: Final = "its end is past: it is sent no more"
_ENDED: Final = Judgement(
    Outlook.REFUSED,
    f"{_END.capitalize()}.",
    (Check("expiresAt", CheckResult.FAILED, _END, Code.DEADLINE_EXCEEDED),),
)


class PreviewOrders:
    """Looks at what accept path and consumer look at, and at the record, for which a dry run has time."""

    def __init__(
        self,
        quote_collector: QuoteCollector,
        keys: ClientOrderContents,
        limits: OrderLimits,
        tokens: Tokens,
    ) -> None:
        self._quote_collector = quote_collector
        self._keys = keys
        self._limits = limits
        self._tokens = tokens

    def preview(self, terms: OrderTerms, account_id: str) -> Preview:
        """Return what would become of an order.

        Raises:
            FieldError: It names a moment that is past, or too far ahead.
            VenueUnavailableError: No venue answered.
            RetryableError: Its end is past, and the record cannot tell whether it is known.
        """
        wish = terms.swap
        answers = self._quote_collector.ask([wanted_by(wish)])
        planned = self._planned(answers, terms)
        swapped = (
            planned
            if isinstance(planned, ExecutionError)
            else (planned.plan.amount_in, planned.plan.amount_out)
        )
        pair = wish.input_token, wish.output_token
        of_pair = sum(1 for pool in answers.pools if canonical(*pool.tokens) == canonical(*pair))
        mark = mark_of(answers.pools, pair, answers.time.unix_s, answers.time.slot)
        never = no_mark(wish) if mark is None and answers.tell_of_no_pool(pair) else None
        seen = MarketSight(swapped, mark or never, of_pair)
        words = Wording(wish, self._tokens[wish.input_token], terms.bought_token(self._tokens))
        judgement = (
            _ENDED
            if self._has_ended(terms, account_id, answers.asked_at)
            else judged(conditions_of(terms, answers.asked_at), seen, words)
        )
        repeated, key_checks = self._by_key(terms, account_id)
        checks = (
            Check("fields", CheckResult.PASSED, "each is understood, and they fit together"),
            *self._limit_checks(terms, account_id, is_repeated=repeated),
            *key_checks,
            *judgement.checks,
            *(() if judgement.outlook is Outlook.REFUSED else _UNKNOWABLE),
        )
        return Preview(
            *_outcome(judgement, checks, is_repeated=repeated),
            checks=checks,
            route=None if isinstance(planned, ExecutionError) else planned.route,
            at=answers.asked_at,
            valid_until=answers.valid_until,
            order_id=client_order_uuid(account_id, terms.client_order_id)
            if repeated and terms.client_order_id
            else None,
        )

    def _has_ended(self, terms: OrderTerms, account_id: str, now: datetime) -> bool:
        """Return whether an order is known whose end is past: one that is submitted again is not late."""
        if terms.expires_at is None or now < terms.expires_at:
            return False
        return is_known(self._keys, terms, account_id)

    def _planned(self, answers: VenueAnswers, terms: OrderTerms) -> PlannedSwap | ExecutionError:
        try:
            return Planner(answers, self._tokens).plan(terms.swap)
        except RefusedError as refusal:
            return refusal

    def _limit_checks(self, terms: OrderTerms, account_id: str, *, is_repeated: bool) -> Iterator[Check]:
        name = "restingOrders" if terms.may_rest else "openOrders"
        yield _limit_check("rate", lambda: self._limits.check_rate(account_id))
        if is_repeated:
            yield Check(name, CheckResult.PASSED, "counts this very order already")
            return
        yield _limit_check(name, lambda: self._limits.check_number(account_id, may_rest=terms.may_rest))

    def _by_key(self, terms: OrderTerms, account_id: str) -> tuple[bool, tuple[Check, ...]]:
        """Return whether the order is one already, by its client order id, and the check of that id."""
        name, key = _KEY, terms.client_order_id
        if key is None:
            return False, ()
        try:
            content = self._keys.content_of(account_id, key)
        except RetryableError as fault:
            return False, (Check(name, CheckResult.UNKNOWN, fault.message),)
        if content is None:
            return False, (Check(name, CheckResult.PASSED, "is free"),)
        if content == terms.sha256:
            return True, (
                Check(name, CheckResult.PASSED, "belongs to this very order, which is accepted already"),
            )
        problem = "belongs to an order with other terms"
        return False, (Check(name, CheckResult.FAILED, problem, Code.CLIENT_ORDER_ID_CONFLICT),)


def _limit_check(name: str, check: Callable[[], None]) -> Check:
    try:
        check()
    except LimitExceededError as refusal:
        return Check(name, CheckResult.FAILED, refusal.message, refusal.code)
    except RetryableError as fault:
        return Check(name, CheckResult.UNKNOWN, fault.message)
    return Check(name, CheckResult.PASSED, "is within the account's limit")


def _outcome(judgement: Judgement, checks: tuple[Check, ...], *, is_repeated: bool) -> tuple[Outlook, str]:
    """Return verdict and summary: what our own checks refuse never gets as far as the market."""
    own = next(
        (each for each in checks if each.result is CheckResult.FAILED and each not in judgement.checks), None
    )
    if own is not None:
        # What is said of a field is said behind its name; a limit has a sentence of its own.
        problem = f"{own.name} {own.message}" if own.name == _KEY else own.message
        return Outlook.REFUSED, f"Would be refused: {problem}. If it were not: {judgement.sentence}"
    if is_repeated:
        return (
            judgement.outlook,
            f"Is accepted already, and submitting it again changes nothing. {judgement.sentence}",
        )
    return judgement.outlook, judgement.sentence
