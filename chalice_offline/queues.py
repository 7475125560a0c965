"""The project's queues at the SQS endpoint: which there are, created or updated."""

from collections.abc import Callable, Iterable, Mapping
from math import ceil
from pathlib import Path
from typing import Final

from chalice_offline.event_source.sqs_client import SqsClient, SqsError
from chalice_offline.options import Options
from chalice_offline.project.functions import Project
from chalice_offline.project.local_toml import LocalToml
from chalice_offline.queue_template import QueueSpec, read_queues
from chalice_offline.template_file import load_template
from chalice_offline.variables import ACCOUNT

# SQS's own default.
HIDDEN_S: Final = 30


def template_path(options: Options, file: LocalToml) -> Path | None:
    """Return where the project's template of queues is, None if it has none."""
    if options.queues is not None or file.queues is None:
        return options.queues
    return options.app_dir / file.queues


def read_template(options: Options, file: LocalToml, *, region: str) -> tuple[QueueSpec, ...]:
    """Return the queues of the project's template, none if it has none.

    Raises:
        OSError, ValueError: It cannot be read.
    """
    path = template_path(options, file)
    if path is None:
        return ()
    parameters = {"Stage": options.stage, **file.parameters}
    return read_queues(load_template(path), parameters, region=region, account=ACCOUNT)


async def ensure_queues(client: SqsClient, queues: Iterable[QueueSpec]) -> None:
    """Bring each queue to its definition, in order. Safe to repeat: messages stay.

    Raises:
        SqsError: The endpoint refused a definition.
    """
    for queue in queues:
        try:
            url = await client.queue_url(queue.name)
        except SqsError as error:
            if error.code not in {"QueueDoesNotExist", "NonExistentQueue"}:
                raise
            attributes = {**_hidden(queue), **queue.attributes}
            await client.call("CreateQueue", {"QueueName": queue.name, "Attributes": attributes})
        else:
            attributes = {name: value for name, value in queue.attributes.items() if name != "FifoQueue"}
            if queue.hidden_s_min and await client.hidden_s(url) < queue.hidden_s_min:
                attributes |= _hidden(queue)
            await client.call("SetQueueAttributes", {"QueueUrl": url, "Attributes": attributes})


def _hidden(queue: QueueSpec) -> dict[str, str]:
    return {"VisibilityTimeout": str(queue.hidden_s_min)} if queue.hidden_s_min else {}


def hidden_while_handled(project: Project) -> dict[str, int]:
    """Return the names of the queues that functions read, and for how many seconds a message of each has to
    stay hidden. AWS has no mapping of a function that may run longer: a message would be received again
    while it is handled, and could not be deleted afterwards.
    """
    found: dict[str, int] = {}
    for trigger in project.queues:
        needed = ceil(project.functions[trigger.function_name].timeout_s)
        found[trigger.queue_name] = max(needed, found.get(trigger.queue_name, HIDDEN_S))
    return found


class ProjectQueues:
    """The queues of an app: a template's, or else plain ones by the names that its code reads from."""

    def __init__(self, client: SqsClient, read_template: Callable[[], tuple[QueueSpec, ...]]) -> None:
        """``read_template`` returns none where there is no template; raises what it raises."""
        self._client = client
        self._read_template = read_template
        self.specs = read_template()
        self.has_template = bool(self.specs)

    def reread(self) -> bool:
        """Take the template as it is now; return whether it says something else. Queues that it has no
        more stay, with their messages.

        Raises:
            OSError, ValueError: It cannot be read; the queues are the ones that they were.
        """
        specs = self._read_template() if self.has_template else self.specs
        is_changed, self.specs = specs != self.specs, specs
        return is_changed

    def name(self, hidden_s: Mapping[str, int]) -> bool:
        """Have queues of these names, unless a template says which there are; return whether one is new, or
        is to hide its messages for longer or shorter.
        """
        if self.has_template:
            return False
        plain = {name: QueueSpec(name, name, {}, hidden_s[name]) for name in sorted(hidden_s)}
        specs = tuple(({queue.name: queue for queue in self.specs} | plain).values())
        is_changed, self.specs = specs != self.specs, specs
        return is_changed

    async def ensure(self) -> None:
        """Create or update them.

        Raises:
            SqsError: The endpoint refused a definition.
            OSError: It does not answer.
        """
        try:
            await ensure_queues(self._client, self.specs)
        except OSError as error:
            raise OSError(f"{self._client.endpoint} cannot be asked for queues: {error}") from error
