"""What a stage's API is called."""

import json
from pathlib import Path
from typing import Any

import pytest

from chalice_offline.project.inspection import ProjectError
from chalice_offline.project.stage import api_stage


def project(folder: Path, config: Any) -> Path:
    (folder / ".chalice").mkdir()
    (folder / ".chalice" / "config.json").write_text(
        config if isinstance(config, str) else json.dumps(config)
    )
    return folder


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "api"),
        ({"api_gateway_stage": "v1"}, "v1"),
        ({"stages": {"dev": {}}}, "api"),
        ({"api_gateway_stage": "v1", "stages": {"dev": {"api_gateway_stage": "v2"}}}, "v2"),
        ({"api_gateway_stage": "v1", "stages": {"dev": {}, "prod": {"api_gateway_stage": "v2"}}}, "v1"),
    ],
)
def test_stage_is_called_as_chalice_deploys_it(tmp_path: Path, config: Any, expected: str) -> None:
    assert api_stage(project(tmp_path, config), "dev") == expected


def test_stage_that_the_project_does_not_have_is_refused_with_those_it_has(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no stage 'dve', but dev, prod"):
        api_stage(project(tmp_path, {"stages": {"prod": {}, "dev": {}}}), "dve")


@pytest.mark.parametrize("config", ["{", "[]", '{"stages": []}x'])
def test_configuration_that_is_none_is_named(tmp_path: Path, config: str) -> None:
    with pytest.raises(ProjectError, match=r"config\.json"):
        api_stage(project(tmp_path, config), "dev")


def test_project_without_configuration_is_left_to_the_description(tmp_path: Path) -> None:
    assert api_stage(tmp_path, "dev") == "api"
