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
        "AWS_ENDPOINT_URL_SQS": "http://e",
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


def test_time_zone_is_the_files_and_never_the_shells_as_a_deployment_has_it() -> None:
    shell = {"TZ": "Europe/Berlin"}
    assert "TZ" not in function_environment(shell, {}, {}, references={})
    assert function_environment(shell, {}, {"TZ": "Asia/Tokyo"}, references={})["TZ"] == "Asia/Tokyo"


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


@pytest.mark.parametrize("own", [{"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}, None])
def test_functions_send_to_the_queues_that_the_runtime_reads_whatever_the_shell_names(
    own: dict[str, str] | None,
) -> None:
    shell = {"AWS_ENDPOINT_URL_SQS": "https://other.test", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    managed = aws_variables(shell, endpoint="http://e", managed_credentials=own)
    environment = function_environment(shell, managed, {}, references={})
    assert environment["AWS_ENDPOINT_URL_SQS"] == "http://e"
    assert "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" not in environment


def test_endpoints_that_the_shell_names_for_single_services_go_with_an_endpoint_of_its_own_alone() -> None:
    shell = {"AWS_ENDPOINT_URL_S3": "http://minio.test:9000"}
    declared = {"AWS_ENDPOINT_URL_DYNAMODB": "http://dynamodb.test"}
    for_managed = function_environment(shell, {}, declared, references={}, is_managed=True)
    assert for_managed == declared
    assert function_environment(shell, {}, {}, references={}) == shell


@pytest.mark.parametrize(
    ("shell", "past"),
    [
        ({"HTTPS_PROXY": "http://proxy.test"}, "localhost,127.0.0.1,::1"),
        ({"all_proxy": "http://proxy.test", "NO_PROXY": ".test"}, ".test,localhost,127.0.0.1,::1"),
        ({"http_proxy": "http://proxy.test", "no_proxy": "*"}, "*"),
    ],
)
def test_proxies_are_not_asked_for_this_machine(shell: dict[str, str], past: str) -> None:
    environment = function_environment(shell, {}, {}, references={})
    assert environment == {**shell, "NO_PROXY": past, "no_proxy": past}
