"""A stage's variables in ``config.json``, and what is said of a file that a hand has spoiled."""

from pathlib import Path

import pytest

from chalicelib.config import ConfigurationError
from infra.deploy.stage_config import own_variables


def an_app(folder: Path, text: str) -> Path:
    (folder / ".chalice").mkdir()
    (folder / ".chalice" / "config.json").write_text(text, encoding="utf-8")
    return folder


def test_variables_are_those_of_the_stage(tmp_path: Path) -> None:
    app = an_app(tmp_path, '{"stages": {"dev": {"environment_variables": {"RETENTION_DAYS": "9"}}}}')
    assert own_variables(app, "dev") == {"RETENTION_DAYS": "9"}
    assert own_variables(app, "prod") == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"stages": {"dev" {}}}', r"config\.json: Expecting ':' delimiter: line 1"),
        (
            '{"stages": {"dev": {"environment_variables": {"STAGE": "dev", "RETENTION_DAYS": 9}}}}',
            "quotes: RETENTION_DAYS",
        ),
    ],
)
def test_file_that_a_hand_has_spoiled_is_told_by_its_name_and_what_is_wrong(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        own_variables(an_app(tmp_path, text), "dev")


def test_folder_without_such_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        own_variables(tmp_path, "dev")
