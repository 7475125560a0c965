"""For rights of functions, an event that cannot be dealt with without them, tried without and then with."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from infra.deploy.cloud import Cloud
from tests.deploy.events import (
    ORDER,
    SCHEDULE,
    an_order_of_this_stage,
    order_event,
    queue_event,
    rest_event,
    socket_event,
)
from tests.deploy.rights import (
    Answer,
    Right,
    answered_well,
    finished_all,
    invoked,
    renew_environment,
    right,
    succeeded,
    swept,
    without,
)

# Cold starts are a matter of the processor: more of them at once only take longer each.
ENVIRONMENTS_AT_ONCE = 2


@dataclass(frozen=True, eq=False)
class Trial:
    """A right, and an event that needs it."""

    right: Right
    event: dict[str, Any]
    is_fine: Callable[[Answer], bool]

    @property
    def is_read_once(self) -> bool:
        """Whether an environment uses the right at its first event alone."""
        return self.right.sid.startswith("Read")

    def __str__(self) -> str:
        return str(self.right)


def counted(answer: Answer) -> bool:
    """Return whether the operator's health has the depth of each queue."""
    return answered_well(answer) and json.loads(answer.result["body"])["queues"] is not None


DEAD_LETTER = queue_event("orderflow-dev-orders-dlq", "not a message of ours")
RESUME = queue_event("orderflow-dev-orders", json.dumps({"kind": "resume", "order_id": str(uuid4())}))
EXECUTE = order_event(an_order_of_this_stage())

TRIALS = (
    Trial(right("websocket_connect", "ReadDatabaseSecret"), socket_event("CONNECT"), answered_well),
    Trial(
        right("websocket_connect", "SendOrders"),
        socket_event("CONNECT", queryStringParameters=ORDER),
        answered_well,
    ),
    Trial(right("api_handler", "ReadDatabaseSecret"), rest_event("GET", "/venues"), answered_well),
    Trial(right("api_handler", "SendOrders"), rest_event("POST", "/orders", ORDER), answered_well),
    Trial(right("api_handler", "CheckOrdersQueue"), rest_event("GET", "/health/ready"), answered_well),
    Trial(right("api_handler", "CountDeadLetters"), rest_event("GET", "/operator/health"), counted),
    Trial(right("execute_orders", "ReadDatabaseSecret"), RESUME, finished_all),
    Trial(right("execute_orders", "ReadWalletSeed"), EXECUTE, finished_all),
    Trial(right("settle_dead_letters", "ReadDatabaseSecret"), DEAD_LETTER, finished_all),
    Trial(right("sweep", "ReadDatabaseSecret"), SCHEDULE, swept),
    Trial(right("match_prices", "ReadDatabaseSecret"), SCHEDULE, swept),
    Trial(right("archive_orders", "ReadDatabaseSecret"), SCHEDULE, swept),
    # Its policy is in the migration's template.
    Trial(Right("prepare_database", "ReadDatabaseSecrets", "secretsmanager:GetSecretValue"), {}, succeeded),
)


@dataclass(frozen=True)
class Outcome:
    """What an invocation gave without a right, and what the next one gave with it."""

    without: Answer
    restored: Answer


def tried(cloud: Cloud, trials: Iterable[Trial]) -> dict[Trial, Outcome]:
    """Try to do without each right, one after the other within a function, and functions side by side."""
    by_function: dict[str, list[Trial]] = {}
    for trial in trials:
        by_function.setdefault(trial.right.function, []).append(trial)
    with ThreadPoolExecutor(ENVIRONMENTS_AT_ONCE) as executor:
        per_function = executor.map(
            lambda own: [(each, _outcome(cloud, each)) for each in own], by_function.values()
        )
        return {trial: outcome for outcomes in per_function for trial, outcome in outcomes}


def _outcome(cloud: Cloud, trial: Trial) -> Outcome:
    function = trial.right.function
    with without(cloud, trial.right):
        # Only what an environment has read before it lost the right could hide the loss.
        if trial.is_read_once:
            renew_environment(cloud, function)
        refused = invoked(cloud, function, trial.event)
    return Outcome(refused, invoked(cloud, function, trial.event))
