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

# A profile names credentials of a real account, which local functions have no business with. Of the others,
# the first leads past the endpoint, and the SDKs refuse the next two beside one. The time zone is this
# machine's.
_NOT_INHERITED: Final = frozenset(
    {
        *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"),
        *("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"),
        "TZ",
    }
)
_ENDPOINT_OF_A_SERVICE: Final = "AWS_ENDPOINT_URL_"
_PROXIES: Final = frozenset({"http_proxy", "https_proxy", "all_proxy"})
_THIS_MACHINE: Final = "localhost,127.0.0.1,::1"


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
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        # Said by itself, as the SDKs prefer it: what is sent elsewhere would never be read.
        "AWS_ENDPOINT_URL_SQS": endpoint,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }
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
    is_managed: bool = False,
) -> dict[str, str]:
    """Return the environment shared by all functions.

    Args:
        is_managed: Whether the emulator is ours: what the shell says of single services' endpoints, which is
            about another AWS, is not heeded then.
        declared: ``environment`` of ``local.toml``, in which ``${NAME}`` may refer to the shell, managed
            variables and ``references``.

    Raises:
        UnknownVariableError: A reference to none of these.
        UnreadableVariableError: A ``$`` that begins no reference.
    """
    inherited = {
        name: value
        for name, value in shell.items()
        if name not in _NOT_INHERITED and not (is_managed and name.startswith(_ENDPOINT_OF_A_SERVICE))
    }
    inherited |= _past_proxies(inherited)
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


def _past_proxies(shell: Mapping[str, str]) -> dict[str, str]:
    """Return what keeps requests to this machine, which are for the emulator, from the shell's proxies."""
    if not any(name.lower() in _PROXIES and value for name, value in shell.items()):
        return {}
    # Programs differ in which one they read.
    past = shell.get("no_proxy") or shell.get("NO_PROXY") or ""
    if past != "*":
        past = ",".join(part for part in (past, _THIS_MACHINE) if part)
    return {"NO_PROXY": past, "no_proxy": past}
