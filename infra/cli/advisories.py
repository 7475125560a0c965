"""``orderflow advisories``: compare the pinned requirements with published security advisories."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from infra.cli.parameters import ServiceUrl
from infra.cli.session import CliSession

OSV_URL: Final = "https://api.osv.dev/v1/query"
"""Open Source Vulnerabilities, which has the advisories of the Python Packaging Authority too."""

# Holds every pin of requirements.txt too.
_PINS: Final = Path(__file__).parents[2] / "requirements-dev.txt"

# Has advisories for good (CVE-2014-1402 for one): a service that knows of none is not one, but a proxy's
# friendly page, say, and "nothing found" would mean nothing.
_KNOWN_BAD: Final = {"package": {"name": "jinja2", "ecosystem": "PyPI"}, "version": "2.4.1"}
_TIME_LIMIT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A pin that an advisory is about; ``fixed_in`` may be empty."""

    requirement: str
    advisory: str
    fixed_in: list[str]


@click.command()
@click.option(
    "--service",
    type=ServiceUrl(("http", "https")),
    default=OSV_URL,
    show_default=True,
    help="A service that speaks OSV's query API.",
)
@click.option("--file", "path", type=click.Path(exists=True, path_type=Path), default=_PINS, help="The pins.")
@click.option("--strict", "is_strict", is_flag=True, help="Fail if there is no service to ask.")
@click.pass_obj
def advisories(session: CliSession, *, service: str, path: Path, is_strict: bool) -> None:
    """Look for pinned requirements with known vulnerabilities; exit with 1 if there are any.

    Without a network nothing can be compared: that is said, and fails only with --strict.
    """
    if problem := _problem_of(service):
        message = f"requirements were NOT compared with advisories: {problem}"
        if is_strict:
            raise click.ClickException(message)
        click.echo(message, err=True)
        return
    audited = _audited(path, service)
    findings = [
        Finding(f"{each['name']}=={each['version']}", advisory["id"], advisory["fix_versions"])
        for each in audited
        for advisory in each["vulns"]
    ]
    facts = {"compared": len(audited), "findings": [asdict(each) for each in findings]}
    session.show(facts, lambda console: _print(console, len(audited), findings))
    if findings:
        sys.exit(1)


def _problem_of(service: str) -> str | None:
    """Return why the service is of no use now, or None.

    Raises:
        ClickException: What asks is not installed.
    """
    try:
        import httpx
    except ImportError:
        raise click.ClickException("this wants what tests are run with; `make check` installs it") from None
    try:
        answer = httpx.post(service, json=_KNOWN_BAD, timeout=_TIME_LIMIT_S)
        if answer.status_code == 200 and answer.json().get("vulns"):
            return None
    except httpx.HTTPError as error:
        return f"{service} does not answer ({error})"
    except (ValueError, AttributeError):
        pass
    return f"{service} answers {answer.status_code}, but not as an advisory service does"


def _audited(path: Path, service: str) -> list[dict[str, Any]]:
    """Return pip-audit's word on each pin.

    Raises:
        click.ClickException: It could not tell about all of them.
    """
    options = ("--requirement", str(path), "--require-hashes", "--disable-pip", "--format", "json")
    command = (sys.executable, "-m", "pip_audit", *options, "--vulnerability-service", "osv", "--osv-url")
    # Its status is 1 for a finding, and for most of what can go wrong as well.
    ran = subprocess.run((*command, service), capture_output=True, text=True, check=False)
    try:
        dependencies: list[dict[str, Any]] = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError) as error:
        raise click.ClickException(f"pip-audit failed: {ran.stderr.strip()}") from error
    if skipped := [each["name"] for each in dependencies if "skip_reason" in each]:
        raise click.ClickException(f"pip-audit could not tell about {', '.join(skipped)}")
    return dependencies


def _print(console: Console, compared: int, findings: list[Finding]) -> None:
    console.print(f"{compared} pinned requirements compared, {len(findings)} advisories found")
    for each in findings:
        fix = f"fixed in {', '.join(each.fixed_in)}" if each.fixed_in else "not fixed yet"
        console.print(f"[red]vulnerable[/]  {each.requirement}: {each.advisory}, {fix}", highlight=False)
