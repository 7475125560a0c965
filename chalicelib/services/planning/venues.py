"""Asking the venues, side by side, and leaving out those that do not answer in time."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import field
from datetime import datetime, timedelta
from typing import Final

from chalicelib.domain.chosen_route import RefusedPool
from chalicelib.domain.errors import RetryableError, VenueUnavailableError
from chalicelib.logs import logger
from chalicelib.routing.few_legs import Room, common_room
from chalicelib.routing.firm_quotes import FirmQuote, WantedSwap
from chalicelib.routing.marks import canonical, makes_mark
from chalicelib.routing.plan import ForeseenSwap, RoutablePool
from chalicelib.services.ports import ChainTime, Clock, Offers, Venue
from chalicelib.values import value

QUOTE_ID_LENGTH_MAX: Final = 128


@value
class VenueAnswers:
    """What the venues said at one moment.

    Attributes:
        pools: Of every venue that answered.
        venues: The names of all that were asked.
        problems: Why a venue is left out.
        asked_at: What dynamic fees are computed for.
        valid_until: Past this moment the answers are not to be traded on.
        firm_quotes: Those that hold until then, each under an id that nothing else has.
        refused: Pools that are not traded with, by venue.
        chain_time: The chain's own, as of which the pools are: the oldest that a venue named, else None.
        room: What one transaction carries of their pools; None if it carries any number of legs.
        on_plan: Told of the swaps of each plan.
    """

    pools: tuple[RoutablePool, ...]
    venues: tuple[str, ...]
    problems: Mapping[str, str]
    asked_at: datetime
    valid_until: datetime
    firm_quotes: tuple[FirmQuote, ...] = ()
    refused: Mapping[str, Sequence[RefusedPool]] = field(default_factory=dict)
    chain_time: ChainTime | None = None
    room: Room | None = None
    on_plan: Collection[Callable[[Sequence[ForeseenSwap]], None]] = ()

    @property
    def time(self) -> ChainTime:
        """What pools open, and charge, by: the chain's time, or where it has none of its own, ours."""
        return self.chain_time or ChainTime(int(self.asked_at.timestamp()), 0)

    def tell_of_no_pool(self, pair: tuple[str, str]) -> bool:
        """Return whether all venues answered, and none has a pool that ever makes a pair's mark."""
        of_pair = canonical(*pair)
        return not (
            self.problems
            or any(makes_mark(pool, pair) for pool in self.pools)
            or any(canonical(*pool.tokens) == of_pair for some in self.refused.values() for pool in some)
        )


Within = Callable[[float], float]
"""Given how long something may take by itself, returns how long it may now."""


def _all_of_it(seconds: float) -> float:
    return seconds


class QuoteRequest:
    """A request to every venue, whose answers are collected later: other work may be done meanwhile."""

    def __init__(
        self,
        asked_at: datetime,
        asked: "Mapping[str, Future[Offers]]",
        *,
        time_limit_s: float,
        valid: timedelta,
        within: Within,
    ) -> None:
        self._asked_at = asked_at
        self._asked = asked
        self._time_limit_s = time_limit_s
        self._valid = valid
        self._within = within
        self._have_ended = False

    def has_ended(self, *, within_s: float) -> bool:
        """Wait so long at most; return whether all have answered or failed."""
        if not self._have_ended:
            self._have_ended = not wait(self._asked.values(), timeout=self._within(within_s)).not_done
        return self._have_ended

    def is_answered(self) -> bool:
        """Wait for the answers, within the limit; return whether all have answered, and none failed."""
        has_ended = self.has_ended(within_s=self._time_limit_s)
        return has_ended and all(answer.exception() is None for answer in self._asked.values())

    def answers(self) -> VenueAnswers:
        """Return all pools and firm quotes of all venues that answer within the limit, from now;
        a slow or failing one is named.
        """
        self.has_ended(within_s=self._time_limit_s)
        pools: list[RoutablePool] = []
        quotes: list[tuple[str, FirmQuote]] = []
        problems: dict[str, str] = {}
        refused: dict[str, Sequence[RefusedPool]] = {}
        times: list[ChainTime] = []
        rooms: list[Room] = []
        on_plan: list[Callable[[Sequence[ForeseenSwap]], None]] = []
        for name, answer in self._asked.items():
            problem = self._problem(name, answer)
            if problem is None:
                offers = answer.result()
                pools.extend(offers.pools)
                quotes.extend((name, quote) for quote in offers.firm_quotes)
                if offers.refused:
                    refused[name] = offers.refused
                if offers.chain_time is not None:
                    times.append(offers.chain_time)
                if offers.room is not None:
                    rooms.append(offers.room)
                if offers.on_plan is not None and offers.on_plan not in on_plan:
                    on_plan.append(offers.on_plan)
            else:
                problems[name] = problem
        valid_until = self._asked_at + self._valid
        return VenueAnswers(
            tuple(pools),
            tuple(self._asked),
            problems,
            self._asked_at,
            valid_until,
            _usable(quotes, pools, valid_until) if quotes else (),
            refused,
            min(times, default=None),
            common_room(rooms),
            on_plan,
        )

    def _problem(self, name: str, answer: "Future[Offers]") -> str | None:
        # A look before this one may have given up waiting for it.
        if not answer.done() or answer.cancelled():
            answer.cancel()
            return f"no answer within {round(self._time_limit_s * 1000)} ms"
        error = answer.exception()
        if isinstance(error, VenueUnavailableError):
            return error.message
        if isinstance(error, RetryableError):
            raise error
        if error is not None:
            # The other venues' answers are as good as ever.
            logger.error("defect", exc_info=error, doing="asking a venue", venue=name)
            return "its answer could not be used"
        return None


class QuoteCollector:
    """Asks every venue at once."""

    def __init__(
        self,
        venues: Sequence[Venue],
        executor: Executor,
        clock: Clock,
        *,
        time_limit_ms: int,
        valid_ms: int,
        within: Within = _all_of_it,
    ) -> None:
        self._venues = venues
        self._executor = executor
        self._clock = clock
        self._time_limit_s = time_limit_ms / 1000
        self._valid = timedelta(milliseconds=valid_ms)
        self._within = within

    def begin(self, wanted: Sequence[WantedSwap] = ()) -> QuoteRequest:
        """Ask every venue; the caller waits for the answers when it needs them.

        Args:
            wanted: What firm quotes are asked for.
        """
        asked = {venue.name: self._executor.submit(venue.offers, wanted) for venue in self._venues}
        return QuoteRequest(
            self._clock.now(),
            asked,
            time_limit_s=self._time_limit_s,
            valid=self._valid,
            within=self._within,
        )

    def ask(self, wanted: Sequence[WantedSwap] = ()) -> VenueAnswers:
        """Ask every venue and wait, as ``QuoteRequest.answers`` does."""
        return self.begin(wanted).answers()


def _usable(
    quotes: Sequence[tuple[str, FirmQuote]], pools: Sequence[RoutablePool], valid_until: datetime
) -> tuple[FirmQuote, ...]:
    """Return the firm quotes that can be told from all else and hold as long as clients are told."""
    ids = {pool.pool_id for pool in pools}
    usable = []
    for name, quote in quotes:
        if quote.venue != name or not 0 < len(quote.quote_id) <= QUOTE_ID_LENGTH_MAX or quote.quote_id in ids:
            reason = "its id or venue is not its own"
        elif quote.valid_until < valid_until:
            reason = "it ends too soon"
        else:
            ids.add(quote.quote_id)
            usable.append(quote)
            continue
        logger.warning("firm quote left out", venue=name, reason=reason)
    return tuple(usable)
