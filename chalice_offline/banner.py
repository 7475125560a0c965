"""What is printed when an instance is ready: where to connect."""

from collections.abc import Iterable, Iterator, Mapping

from chalice_offline.assembly import ApiStages
from chalice_offline.options import Options
from chalice_offline.project.functions import Project
from chalice_offline.variables import ACCOUNT


def banner(
    project: Project,
    options: Options,
    stages: ApiStages,
    *,
    base_path: str | None,
    pages: Mapping[str, str],
    endpoint: str,
    credentials: str | None,
    queues: Iterable[str],
) -> Iterator[str]:
    """Yield the lines.

    Args:
        base_path: Where the REST API is besides its stage.
        pages: Paths of the REST API that are for browsers, by what they are called.
        endpoint: Of SQS, and of all that the managed emulator has.
        credentials: The command that reads the emulator's credentials; None where it is not managed here.
        queues: By their names.
    """
    address = options.address
    if project.manifest.websocket_handlers:
        yield f"wscat -c ws://{address}/{stages.websocket}"
    if project.manifest.http_function:
        yield f"REST http://{address}/{stages.rest}"
        if base_path is not None:
            yield f"REST http://{address}{base_path}"
        for name, path in pages.items():
            yield f"{name} http://{address}/{stages.rest}{path}"
    if credentials is not None:
        yield f"AWS {endpoint}  credentials: {credentials}"
    for queue in queues:
        yield f"queue {endpoint}/{ACCOUNT}/{queue}"
    if options.debugging is not None:
        yield from options.debugging.addresses()
    if not project.manifest.websocket_handlers and not project.manifest.http_function:
        schedules = [schedule.function_name for schedule in project.schedules]
        others = [name for name in project.functions if name not in schedules]
        yield f"no API; functions, for chalice-offline invoke: {', '.join(others) or 'none'}"
        if schedules:
            yield f"schedules, for chalice-offline tick: {', '.join(schedules)}"
