"""What an app lacks whose import failed, where Python alone does not say what to do about it."""

import sys
from pathlib import Path

import pytest

from chalice_offline.project.import_hints import import_hints


def hints(folder: Path, *lines: str) -> str:
    return "\n".join(import_hints("\n".join(lines), "dev", sys.executable, folder))


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("errorfactory.ResourceNotFoundException", "ResourceNotFoundException"),
        ("errorfactory.ParameterNotFound", "ParameterNotFound"),
        ("errorfactory.NoSuchBucket", "NoSuchBucket"),
        ("errorfactory.QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
        ("exceptions.ClientError", "404"),
    ],
)
def test_app_that_asks_aws_for_what_is_not_there_is_told_where_to_make_it(
    tmp_path: Path, kind: str, code: str
) -> None:
    refused = f"botocore.{kind}: An error occurred ({code}) when calling the Get operation: it is not there"
    told = hints(tmp_path, "Traceback (most recent call last):", refused, "KeyError: 'of the app'")
    assert "resources.json beside app.py" in told
    assert "on_start" in told


def test_what_aws_refuses_for_another_reason_has_no_such_hint(tmp_path: Path) -> None:
    refused = "botocore.exceptions.ClientError: An error occurred (ValidationException) when calling the Scan"
    assert not hints(tmp_path, f"{refused} operation: TableName must be set")


def test_queue_without_a_name_is_told_as_a_variable_that_may_not_be_set(tmp_path: Path) -> None:
    told = hints(
        tmp_path, "ValueError: Must provide either `queue` or `queue_arn` to the `on_sqs_message` decorator."
    )
    assert "variable that names the queue" in told
    assert "config.json (for stage dev)" in told


def test_app_that_names_a_profile_is_told_that_functions_need_none(tmp_path: Path) -> None:
    told = hints(
        tmp_path, "botocore.exceptions.ProfileNotFound: The config profile (my work) could not be found"
    )
    assert "profile my work" in told
    assert "only where AWS_ENDPOINT_URL is not set" in told


def test_what_python_says_well_enough_has_no_hint(tmp_path: Path) -> None:
    assert not hints(tmp_path, "ZeroDivisionError: division by zero")


def test_chalice_that_is_older_than_its_python_is_told_which_release_is_needed(tmp_path: Path) -> None:
    told = hints(
        tmp_path,
        '  File "/venv/lib/python3.11/site-packages/chalice/__init__.py", line 1, in <module>',
        "    from chalice.app import Chalice",
        '  File "/venv/lib/python3.11/site-packages/chalice/app.py", line 10, in <module>',
        "    from collections import defaultdict, Mapping",
        "ImportError: cannot import name 'Mapping' from 'collections' (/usr/lib/python3.11/collections.py)",
    )
    assert "1.12 or later" in told
