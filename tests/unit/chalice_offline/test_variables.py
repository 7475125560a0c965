"""The environment of functions."""

import pytest

from chalice_offline.variables import (
    UnknownVariableError,
    UnreadableVariableError,
    aws_variables,
    function_environment,
)


def test_managed_emulator_never_sees_real_credentials() -> None:
    shell = {"AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_SECRET_ACCESS_KEY": "real", "AWS_REGION": "eu-west-1"}
    own = {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "secret"}
    assert aws_variables(shell, endpoint="http://e", managed_credentials=own) == {
        "AWS_ENDPOINT_URL": "http://e",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        **own,
    }


def test_foreign_endpoint_keeps_given_credentials() -> None:
    shell = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    variables = aws_variables(shell, endpoint="http://e", managed_credentials=None)
    assert (variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]) == ("k", "s")


def test_managed_beats_shell_beats_file() -> None:
    environment = function_environment(
        {"A": "shell", "DATABASE_URL": "shell"},
        {"DATABASE_URL": "managed"},
        {"A": "file", "B": "file"},
        references={},
    )
    assert environment == {"A": "shell", "B": "file", "DATABASE_URL": "managed"}


def test_declared_variables_may_refer_to_others() -> None:
    environment = function_environment(
        {"HOME": "/home/x"},
        {"PORT": "1"},
        {"URL": "${QUEUE_URL_Q}:${PORT}${HOME}"},
        references={"QUEUE_URL_Q": "q"},
    )
    assert environment["URL"] == "q:1/home/x"
    assert "QUEUE_URL_Q" not in environment


def test_reference_to_nothing_is_refused_with_both_names() -> None:
    with pytest.raises(UnknownVariableError, match=r"environment\.URL.*MISSING"):
        function_environment({}, {}, {"URL": "${MISSING}"}, references={})


@pytest.mark.parametrize("value", ["pa$$w0rd$", "${QUEUE_URL_my-queue}", "50 $ off"])
def test_dollar_that_begins_no_reference_is_refused_with_the_variables_name_and_without_its_value(
    value: str,
) -> None:
    with pytest.raises(UnreadableVariableError, match=r"environment\.URL.*\$\$ is a \$ by itself") as caught:
        function_environment({}, {}, {"URL": value}, references={})
    assert value not in str(caught.value)
    assert function_environment({}, {}, {"URL": "a$$b"}, references={})["URL"] == "a$b"


def test_profiles_and_session_tokens_are_not_inherited() -> None:
    shell = {"AWS_PROFILE": "prod", "AWS_SESSION_TOKEN": "t", "X": "1"}
    assert function_environment(shell, {}, {}, references={}) == {"X": "1"}
