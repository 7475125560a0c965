"""``orderflow specs``: write the published description of the APIs, or see whether it is up to date."""

from pathlib import Path
from typing import Final

import click

from infra.cli.session import CliSession

_REPOSITORY: Final = Path(__file__).parents[2]


@click.command()
@click.option("--check", "is_check", is_flag=True, help="Write nothing; fail if something is out of date.")
@click.pass_obj
def specs(session: CliSession, *, is_check: bool) -> None:
    """Write OpenAPI, AsyncAPI, a Postman collection and the table of errors, and the client's models."""
    # Its models are a third of what every command would load otherwise.
    from infra.specs.documents import documents

    stale = [path for path, text in documents().items() if _written(_REPOSITORY / path) != text]
    if is_check and stale:
        raise click.ClickException(f"out of date: {', '.join(map(str, stale))}; run `./orderflow specs`")
    for path in stale:
        (_REPOSITORY / path).parent.mkdir(parents=True, exist_ok=True)
        (_REPOSITORY / path).write_text(documents()[path], encoding="utf-8")
    names = [str(path) for path in stale]
    said = f"{len(names)} documents written" if names else "nothing is out of date"
    session.show({"written": names}, lambda console: console.print(said))


def _written(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
