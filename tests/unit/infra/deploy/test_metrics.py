"""What a stage is measured by."""

import re
from pathlib import Path

import pytest

from infra.deploy.metrics import FUNCTIONS, filled, function


@pytest.mark.parametrize("text", ["${Stage}", "a-${WebsocketAPIId}"])
def test_text_with_parameters_is_filled_in_by_the_template(text: str) -> None:
    assert filled(text) == {"Fn::Sub": text}


@pytest.mark.parametrize("text", ["", "ws", "$1", "{Stage}"])
def test_text_without_parameters_stays_text(text: str) -> None:
    assert filled(text) == text


def test_function_is_measured_under_its_deployed_name() -> None:
    assert function("sweep").dimensions == (("FunctionName", "orderflow-${Stage}-sweep"),)


def test_every_function_of_the_app_is_measured() -> None:
    app = (Path(__file__).parents[4] / "chalice_app" / "app.py").read_text()
    named = set(re.findall(r"^def (\w+)\(", app, re.MULTILINE))
    assert set(FUNCTIONS) - named == {"api_handler"}  # all of the REST routes are one
    assert len(FUNCTIONS) == len(re.findall(r"^@app\.(?!route|middleware)", app, re.MULTILINE)) + 1
