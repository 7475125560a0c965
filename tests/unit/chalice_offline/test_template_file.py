"""A template that is none is told by the name of its file."""

from pathlib import Path

import pytest

from chalice_offline.template_file import TemplateFileError, load_template


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("queues.json", "{", r"queues\.json is no JSON: .*line 1"),
        ("queues.yaml", "Resources:\n  Jobs: {}", r"queues\.yaml is no JSON, and YAML is not read here"),
        ("queues.json", "[]", r"queues\.json is no template"),
        ("queues.json", '{"Resources": []}', r"queues\.json: Resources is no table of tables"),
        ("queues.json", '{"Resources": {"Jobs": 1}}', r"queues\.json: Resources is no table of tables"),
        (
            "queues.json",
            '{"Parameters": {"Stage": "dev"}}',
            r"queues\.json: Parameters is no table of tables",
        ),
    ],
)
def test_file_that_holds_no_template_is_named_with_the_reason(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(TemplateFileError, match=reason):
        load_template(tmp_path / name)


def test_template_is_what_its_file_says(tmp_path: Path) -> None:
    file = tmp_path / "queues.json"
    file.write_text('{"Resources": {"Jobs": {"Type": "AWS::SQS::Queue"}}}')
    assert load_template(file) == {"Resources": {"Jobs": {"Type": "AWS::SQS::Queue"}}}
