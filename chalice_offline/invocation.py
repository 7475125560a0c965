"""What the gateway and the Lambda host share: an app's description, and how to call its functions.

The gateway decides when a function runs and what its outcome means to a client; the Lambda host decides where
and how it runs. Neither imports the other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

RETRIES_S: Final = (60.0, 120.0)
"""The pauses before a function that failed is run again where no caller waits for it.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""


@dataclass(frozen=True, slots=True)
class Returned:
    """The handler returned; ``payload`` is its result after a round trip through JSON."""

    payload: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The invocation failed: an unhandled exception, a result that is not JSON, or a crashed environment.

    The fields are those of Lambda's error document: ``errorType``, ``errorMessage``, and of an exception
    ``requestId`` and ``stackTrace``, a text for each frame of the app's.
    """

    error_type: str
    error_message: str
    request_id: str = field(default="", compare=False)
    stack_trace: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No result within the caller's time-out or the function's own, whichever ended first."""

    after_s: float


Outcome = Returned | Raised | TimedOut
OnEnd = Callable[[Outcome], None]
"""Called once, when an invocation has ended; it must not raise."""


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom a function runs.

    Attributes:
        key: Callers of different keys take turns where a function has no environment left: one account's many
            invocations hold up another's for one of them.
        still_waits: Asked when an invocation that had to wait could begin; it never does if the answer is no.
    """

    key: str = ""
    still_waits: Callable[[], bool] = lambda: True


ANY_CALLER = Caller()


class Waiter(Protocol):
    """What it takes to wait for an environment; see ``Caller``."""

    @property
    def key(self) -> str: ...
    def still_waits(self) -> bool: ...


class Functions(Protocol):
    """The Lambda host, as its callers see it."""

    def begin(
        self,
        function_name: str,
        event: Mapping[str, Any],
        on_end: OnEnd,
        *,
        timeout_s: float | None = None,
        caller: Caller = ANY_CALLER,
    ) -> None:
        """Begin what ``invoke`` does; ``on_end`` hears the outcome, perhaps before this returns. A task and a
        future for each invocation cost more than the rest of it here.
        """
        ...

    async def invoke(
        self,
        function_name: str,
        event: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        caller: Caller = ANY_CALLER,
    ) -> Outcome:
        """Run a function once with a JSON event; every failure is an outcome, never an exception.

        Args:
            timeout_s: How long the caller waits. The function itself may go on, as on Lambda; only its own
                time-out ends it.
        """
        ...


@dataclass(frozen=True, slots=True)
class UserPoolGuard:
    """A route's Cognito user pool authorizer.

    Attributes:
        header: Which carries the token.
        pools: Ids of the user pools whose tokens are taken.
        scopes: An access token with one of these is asked for; without any, an id token.
    """

    header: str = "Authorization"
    pools: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AppManifest:
    """A Chalice app as a gateway needs it: which function answers what.

    Attributes:
        app_name: Chalice's ``app_name``.
        websocket_handlers: Route key (``$connect``, ``$default``, ``$disconnect``) to function name.
        http_function: The function behind every REST route (Chalice's ``api_handler``); None without routes.
        http_routes: REST path as Chalice writes it (``/rooms/{room_id}``) to its methods.
        http_binary_types: Content types whose bodies travel as base64 (``app.api.binary_types``).
        http_cors: REST path to the access-control headers of its pre-flight answer
            (``CORSConfig.get_access_control_headers()``); a path without CORS is absent. The methods that it
            allows are all of the path unless ``Access-Control-Allow-Methods`` is among them.
        http_authorizers: REST path, then method, to the function name of its Chalice authorizer.
        http_authorizer_headers: Function name of a Chalice authorizer to the header that carries its token,
            where that is not ``Authorization``.
        http_authorizer_ttls: Function name of a Chalice authorizer to the seconds for which its answers are
            kept, where those are not 300.
        http_user_pools: REST path, then method, to its Cognito user pool authorizer.
        http_iam: REST path to its methods that ask for a signature (an IAM authorizer).
        http_api_keys: REST path to its methods that ask for an API key.
        authorizer_function: The REQUEST authorizer of ``$connect``. Chalice cannot declare one, so it comes
            from the runtime's own settings.
        deployed_names: Names by which Lambda's Invoke asks for functions (``shop-dev-price``, or the bare
            name), to function names; without them nothing can be invoked by that API.
    """

    app_name: str
    websocket_handlers: Mapping[str, str] = field(default_factory=dict)
    http_function: str | None = None
    http_routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    http_binary_types: tuple[str, ...] = ()
    http_cors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    http_authorizers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    http_authorizer_headers: Mapping[str, str] = field(default_factory=dict)
    http_authorizer_ttls: Mapping[str, float] = field(default_factory=dict)
    http_user_pools: Mapping[str, Mapping[str, UserPoolGuard]] = field(default_factory=dict)
    http_iam: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    http_api_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    authorizer_function: str | None = None
    deployed_names: Mapping[str, str] = field(default_factory=dict)
