"""Why an app could not be deployed as it is: by Chalice's own rules, API Gateway's, or for want of a name.

It stands alone, like the module that loads it, beside the app's own Chalice.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from chalice.config import Config
from chalice.deploy import validate

_LISTENS_TO = {
    "S3EventConfig": "bucket",
    "SNSEventConfig": "topic",
    "CloudWatchEventConfig": "event_pattern",
    "KinesisEventConfig": "stream",
    "DynamoDBEventConfig": "stream_arn",
    "ScheduledEventConfig": "schedule_expression",
}
"""Attribute of an event source by the name of its class."""


def refusals(config: Config, app: Any) -> Iterator[str]:
    """Yield the reasons, one of each of Chalice's rules at most."""
    yield from _by_chalice(config, app)
    yield from _by_api_gateway(app.routes)
    yield from _by_services(app.event_sources)


def _by_chalice(config: Config, app: Any) -> Iterator[str]:
    rules = {
        "validate_routes": (app.routes,),
        "validate_route_content_types": (app.routes, app.api.binary_types),
        "validate_unique_function_names": (config,),
        "validate_sqs_configuration": (app,),
    }
    for rule, looked_at in rules.items():
        try:
            getattr(validate, rule, _no_rule)(*looked_at)
        except ValueError as error:
            yield str(error)
    # Chalice's rule refuses expressions as well, which a deployment by CloudFormation takes.
    variables = config.environment_variables
    strange = sorted(name for name, value in variables.items() if not isinstance(value, str | dict))
    if strange:
        yield f"Environment variable values must be strings; other ones have {', '.join(strange)}"


def _no_rule(*_looked_at: object) -> None:
    """Refuse nothing: the app's Chalice is older than this rule."""


def _by_api_gateway(routes: Iterable[str]) -> Iterator[str]:
    """Yield variables beside which API Gateway takes no other: "A sibling of this resource already has a
    variable path part" (https://github.com/amazon-archives/aws-apigateway-importer/issues/202).
    """
    first: dict[str, str] = {}
    told: set[tuple[str, str]] = set()
    for route in sorted(routes):
        place = ""
        for segment in route.split("/")[1:]:
            if segment.startswith("{"):
                other = first.setdefault(place, segment)
                if other != segment and (place, segment) not in told:
                    told.add((place, segment))
                    yield f"API Gateway takes one of {place}/{other} and {place}/{segment}, as variables"
            place += f"/{segment}"


def _by_services(sources: Iterable[Any]) -> Iterator[str]:
    """Yield functions that listen to nothing."""
    for source in sources:
        attribute = _LISTENS_TO.get(type(source).__name__)
        if attribute is not None and not getattr(source, attribute):
            yield f"{source.name} listens to no {attribute}: is the variable that names it set?"
