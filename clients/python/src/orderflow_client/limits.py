"""Every limit of the client, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long is waited, and how much is held.

    Attributes:
        time_limit_s: For one call, with everything that is tried again.
        answer_s: For the answer to one frame; then it is sent again, if that is safe.
        open_s: For opening a connection.
        reconnect_most_s: The longest pause between two tries to connect; they never end.
        idle_s: After so long a silence a ping is sent: API Gateway closes after 600 s without a message.
        connection_s: A connection is renewed when it is so old: API Gateway ends it after two hours.
        in_flight_max: Questions that wait for an answer at the same time; more wait their turn.
        frames_max: Received frames that wait to be read; then the engine has to wait.
        quiet_s: A silent order is asked for after this, at first; the pause grows to ``quiet_most_s``.
        gap_s: An event that is missing between others is asked for after this.
        body_bytes_max: Of one answer over REST.
    """

    time_limit_s: float = 30.0
    answer_s: float = 10.0
    open_s: float = 10.0
    reconnect_most_s: float = 10.0
    idle_s: float = 240.0
    connection_s: float = 6_900.0
    in_flight_max: int = 64
    frames_max: int = 256
    quiet_s: float = 5.0
    quiet_most_s: float = 120.0
    gap_s: float = 0.5
    body_bytes_max: int = 16_777_216
