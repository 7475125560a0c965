"""The process environment of functions: what Lambda and the managed services define, over what the shell has.

Precedence, strongest first: managed addresses, the shell, the project's ``local.toml``, ``config.json``. The
shell comes before the files so that a setting can be tried without an edit.
"""

import string
from collections.abc import Mapping
from typing import Final

REGION: Final = "us-east-1"
ACCOUNT: Final = "000000000000"
# What emulators of one's own take for credentials.
EMULATOR_KEY: Final = "test"
OPEN_APIS_VARIABLE: Final = "EMULATOR_OPEN_APIS"
"""Tells the managed emulator whether it serves the APIs deployed into it."""
EMULATOR_SERVICES_VARIABLE: Final = "EMULATOR_SERVICES"
"""Tells it which services it serves, by their signing names."""

# A profile names credentials of a real account, which local functions have no business with.
_NOT_INHERITED: Final = frozenset(
    {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"}
)


class UnknownVariableError(ValueError):
    """``local.toml`` refers to a variable that is not defined."""

    def __init__(self, name: str, reference: str) -> None:
        super().__init__(f"local.toml: environment.{name} refers to ${{{reference}}}, which is not defined")


class UnreadableVariableError(ValueError):
    """A variable's value has a ``$`` that begins no reference. It is not shown: a password may be in it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"local.toml: environment.{name} has a $ that begins no ${{NAME}} "
            "of letters, digits and _; $$ is a $ by itself"
        )


def aws_variables(
    shell: Mapping[str, str], *, endpoint: str, managed_credentials: Mapping[str, str] | None
) -> dict[str, str]:
    """Return endpoint, region and credentials; a foreign
    endpoint keeps the shell's credentials if it has some.

    Args:
        managed_credentials: Those of a managed emulator, which those of a real
            account never reach; None if the endpoint is foreign.
    """
    region = shell.get("AWS_REGION") or shell.get("AWS_DEFAULT_REGION") or REGION
    variables = {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    if managed_credentials is not None:
        return {**variables, **managed_credentials}
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    if all(shell.get(name) for name in names):
        return variables | {name: shell[name] for name in names}
    return variables | dict.fromkeys(names, EMULATOR_KEY)


def function_environment(
    shell: Mapping[str, str],
    managed: Mapping[str, str],
    declared: Mapping[str, str],
    *,
    references: Mapping[str, str],
) -> dict[str, str]:
    """Return the environment shared by all functions.

    Args:
        declared: ``environment`` of ``local.toml``, in which ``${NAME}`` may refer to the shell, managed
            variables and ``references``.

    Raises:
        UnknownVariableError: A reference to none of these.
        UnreadableVariableError: A ``$`` that begins no reference.
    """
    inherited = {name: value for name, value in shell.items() if name not in _NOT_INHERITED}
    known = {**references, **inherited, **managed}
    environment: dict[str, str] = {}
    for name, pattern in declared.items():
        try:
            environment[name] = string.Template(pattern).substitute(known)
        except KeyError as error:
            raise UnknownVariableError(name, str(error.args[0])) from error
        except ValueError as error:
            raise UnreadableVariableError(name) from error
    return {**environment, **inherited, **managed}
