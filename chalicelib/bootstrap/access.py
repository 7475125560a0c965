"""The part of the wiring that authenticates clients and limits what an account may take."""

from typing import TYPE_CHECKING

from chalicelib.bootstrap.clients import Clients
from chalicelib.config import Settings
from chalicelib.made_once import made_once
from chalicelib.services.intake.limits import ConnectionLimits, OpenOrders, OrderLimits, OrderRate
from chalicelib.services.intake.rates import RequestKind, RequestRate, RequestRates
from chalicelib.services.ports import Clock
from chalicelib.wire.json_text import JsonLimits

if TYPE_CHECKING:
    from chalicelib.adapters.jwt_verifier import JwtVerifier, VerificationKeys
    from chalicelib.adapters.postgres.usage import PostgresUsage
    from chalicelib.services.intake.known_connections import KnownConnections


class Access:
    """Tokens and limits. The database is asked for only by what needs it, as everywhere in the wiring."""

    def __init__(self, settings: Settings, clock: Clock, clients: Clients) -> None:
        self._settings = settings
        self._clock = clock
        self._clients = clients

    @made_once
    def verifier(self) -> "JwtVerifier":
        from chalicelib.adapters.jwt_keys import JwksKeys, SharedSecret, fetch_jwks
        from chalicelib.adapters.jwt_verifier import JwtVerifier

        settings = self._settings
        keys: VerificationKeys = SharedSecret(settings.jwt_secret)
        if settings.jwks_url:
            keys = JwksKeys(
                fetch_jwks(settings.jwks_url),
                lifespan_s=settings.jwks_lifespan_s,
                refresh_interval_s=settings.jwks_refresh_interval_s,
            )
        return JwtVerifier(
            keys,
            algorithm=settings.jwt_algorithm or ("RS256" if settings.jwks_url else "HS256"),
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            leeway_s=settings.jwt_leeway_s,
        )

    @made_once
    def orders(self) -> OrderLimits:
        settings = self._settings
        rate = OrderRate(settings.orders_per_second_max, settings.orders_burst_max, self._clock)
        open_orders = OpenOrders(
            lambda account_id, limit: self._usage.open_orders(account_id, limit=limit),
            self._clock,
            self._clients.executor,
            limit=settings.open_orders_max,
        )
        resting_orders = OpenOrders(
            lambda account_id, limit: self._usage.resting_orders(account_id, limit=limit),
            self._clock,
            self._clients.executor,
            limit=settings.resting_orders_max,
            is_lasting=True,
        )
        return OrderLimits(rate, open_orders, resting_orders)

    @made_once
    def requests(self) -> RequestRates:
        settings = self._settings
        rates = {
            RequestKind.QUOTE: _rate(settings.quotes_per_second_max),
            RequestKind.PING: _rate(settings.pings_per_second_max),
            RequestKind.CANCEL: _rate(settings.cancels_per_second_max),
            RequestKind.AMEND: _rate(settings.cancels_per_second_max),
            RequestKind.READ: _rate(settings.reads_per_second_max),
            RequestKind.OPERATE: _rate(settings.operator_requests_per_second_max),
            # A client that was cut off comes back with all of them together.
            RequestKind.SUBSCRIBE: _rate(
                settings.subscribes_per_second_max, at_once=settings.subscriptions_max
            ),
            RequestKind.CONNECT: _rate(settings.connects_per_second_max, at_once=settings.connections_max),
        }
        return RequestRates(rates, self._clock)

    @made_once
    def connections(self) -> ConnectionLimits:
        return ConnectionLimits(
            self._usage,
            self._clock,
            connections_max=self._settings.connections_max,
            subscriptions_max=self._settings.subscriptions_max,
        )

    @made_once
    def messages(self) -> JsonLimits:
        settings = self._settings
        return JsonLimits(settings.message_bytes_max, settings.json_depth_max, settings.text_length_max)

    @made_once
    def known_connections(self) -> "KnownConnections":
        from chalicelib.services.intake.known_connections import KnownConnections

        return KnownConnections(self._usage)

    @made_once
    def _usage(self) -> "PostgresUsage":
        from chalicelib.adapters.postgres.usage import PostgresUsage

        return PostgresUsage(self._clients.engine)


def _rate(per_second: int, *, at_once: int = 0) -> RequestRate:
    return RequestRate(per_second, max(2 * per_second, at_once))
