"""``python -m tests.fuzz.rest --url http://127.0.0.1:3000/api
--minutes 5``: schemathesis against a running instance.

It makes requests from the published OpenAPI document, sound ones and broken ones, and sequences of them, and
holds every answer against the document.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

REPOSITORY: Final = Path(__file__).parents[2]
DOCUMENT: Final = REPOSITORY / "docs" / "api" / "openapi.json"

_CONFIG: Final = """
seed = {seed}
continue-on-failure = true
# That sound requests are often refused all the same is explained below.
warnings = false

[generation]
deterministic = {deterministic}
database = "none"

[generation.dictionaries]
string = {{ dictionary = "words", probability = 0.3 }}

[dictionaries.words]
values = ["SOL", "USDC", "BONK", "0.5"]

# A canceled order can still be read: DELETE ends it, and removes nothing.
[checks.use_after_free]
enabled = false

# API Gateway answers 403 to a method that no route has, as to a path; nothing asks the app, which says 405.
[checks.unsupported_method]
enabled = false

# Which tokens there are, which fields go with which, and what a cursor holds, is more than the schema says.
{understood}
"""

_UNDERSTOOD: Final = """
[[operations]]
include-operation-id = {operations}

[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404, 409, 422, 429]
"""

_AUTH: Final = """
[auth.wfc]
path = {path}
peers = {peers}
"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much to try: so many examples for each operation, or as many as fit into the time."""

    examples: int | None = None
    seconds: int | None = None
    phases: str = "examples,coverage,fuzzing,stateful"
    seed: int = 1


def attack(url: str, folder: Path, bounds: Bounds, tokens: Mapping[str, str]) -> tuple[bool, str]:
    """Return whether every answer was as published, and schemathesis' own report.

    Args:
        url: The REST API's base URL.
        folder: For files of this run.
        bounds: With a number of examples, the same ones each time.
        tokens: Bearer tokens by account: the accounts must not see
            each other's orders. None with AUTH_MODE=none.
    """
    (folder / "schemathesis.toml").write_text(_config(folder, bounds, tokens))
    limits = [
        *(("--max-examples", str(bounds.examples)) if bounds.examples else ()),
        *(("--max-time", str(bounds.seconds)) if bounds.seconds else ()),
    ]
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(folder / "schemathesis.toml")),
            *(
                "run",
                str(_document(folder, tokens)),
                "--url",
                url,
                "--phases",
                bounds.phases,
                "--no-color",
                *limits,
            ),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode == 0, ran.stdout + ran.stderr


def _document(folder: Path, tokens: Mapping[str, str]) -> Path:
    """Return where the document is: the published one, or one that asks for no token."""
    if tokens:
        return DOCUMENT
    document = json.loads(DOCUMENT.read_text())
    del document["security"]
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    return path


def _config(folder: Path, bounds: Bounds, tokens: Mapping[str, str]) -> str:
    operations = json.dumps(
        [
            *("submitOrder", "executeOrder", "amendOrder", "cancelOrders", "quote", "listOrders"),
            "deadLetters",
            # Sound to the tool is a null in a path, where it becomes the text "null", which is no UUID: 400.
            # All that these three have beside it is a number, and every other check stays on.
            *("readOrder", "cancelOrder", "readEvents"),
        ]
    )
    config = _CONFIG.format(
        seed=bounds.seed,
        deterministic=json.dumps(bounds.examples is not None),
        understood=_UNDERSTOOD.format(operations=operations),
    )
    if not tokens:
        return config
    accounts = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}]}
        for name, token in tokens.items()
    ]
    path = folder / "accounts.json"
    path.write_text(json.dumps({"auth": accounts}))
    # JSON's strings and lists of strings are TOML's too.
    return config + _AUTH.format(path=json.dumps(str(path)), peers=json.dumps(list(tokens)))


@click.command()
@click.option("--url", default="http://127.0.0.1:3000/api", show_default=True)
@click.option("--minutes", default=5, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--token", "tokens", multiple=True, help="Bearer tokens of two accounts, with AUTH_MODE=jwt.")
def main(url: str, minutes: int, seed: int, tokens: tuple[str, ...]) -> None:
    """Attack for some minutes; fail if an answer is not as published."""
    named = {f"account {number}": token for number, token in enumerate(tokens, 1)}
    with tempfile.TemporaryDirectory() as folder:
        holds, report = attack(url, Path(folder), Bounds(seconds=minutes * 60, seed=seed), named)
    print(report)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
