"""What is typed wrongly: exit status 2 and the option's name, before anything is started."""

import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from chalice_offline.cli import main
from chalice_offline.parameters import ENDPOINT_URL, HOST, PYTHON

LONG = "x" * 300


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("start --host ", "--host"),
        (f"start --host {LONG}", "--host"),
        ("start --host 127.0.0.1:80", "--host"),
        ("start --port 65536", "--port"),
        ("start --aws-endpoint-url nonsense", "--aws-endpoint-url"),
        ("start --aws-endpoint-url http://", "--aws-endpoint-url"),
        ("start --aws-endpoint-url http://127.0.0.1:99999", "--aws-endpoint-url"),
        (f"start --aws-endpoint-url http://{LONG}", "--aws-endpoint-url"),
        (f"start --python {__file__}", "--python"),
        ("start --python /etc", "--python"),
        ("start --debugpy 70000", "--debugpy"),
        ("start --functions-database-url postgresql://b", "--functions-database-url"),
        ("logs --tail -1", "--tail"),
    ],
)
def test_what_is_typed_wrongly_is_named_and_is_a_usage_error(typed: str, named: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [*typed.split(" "), "--app", str(tmp_path)], env={"DATABASE_URL": None})
    assert (result.exit_code, named in result.output) == (2, True), result.output


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        (HOST, "127.0.0.1"),
        (HOST, "localhost"),
        (ENDPOINT_URL, "http://[::1]:4566"),
        (ENDPOINT_URL, "https://sqs.us-east-1.amazonaws.com"),
        (PYTHON, sys.executable),
        (PYTHON, sys.prefix),
    ],
)
def test_what_goes_is_taken_as_it_is_typed(kind: click.ParamType[Any], typed: str) -> None:
    assert str(kind.convert(typed, None, None)) == typed
