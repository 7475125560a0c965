"""A project's settings for the local runtime."""

from pathlib import Path

import pytest

from chalice_offline.project.local_toml import LocalToml, LocalTomlError, read_local_toml


def write(folder: Path, text: str) -> Path:
    (folder / ".chalice").mkdir()
    (folder / ".chalice" / "local.toml").write_text(text)
    return folder


APP_DIR = Path(__file__).parents[4] / "chalice_app"


def test_project_without_the_file_has_defaults(tmp_path: Path) -> None:
    assert read_local_toml(tmp_path) == LocalToml()
    assert not LocalToml().database


def test_file_is_read_with_its_tables(tmp_path: Path) -> None:
    settings = read_local_toml(
        write(
            tmp_path,
            'database = true\nqueues = "q.json"\n[lambda]\nconcurrency = 2\n[secrets]\nSEED = "random"',
        )
    )
    assert settings.database
    assert settings.queues == Path("q.json")
    assert settings.functions.concurrency == 2
    assert settings.secrets == {"SEED": "random"}


def test_table_of_pyproject_serves_as_well_but_not_beside_the_file(tmp_path: Path) -> None:
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text('[project]\nname = "chat"\n[tool.chalice-offline.gateway]\nwebsocket_stage = "chat"')
    assert read_local_toml(tmp_path).gateway.websocket_stage == "chat"
    pyproject.write_text("[tool.chalice-offline.gateway]\nstages = 1")
    with pytest.raises(LocalTomlError, match=r"pyproject\.toml: tool\.chalice-offline: gateway\.stages"):
        read_local_toml(tmp_path)
    write(tmp_path, "database = false")
    with pytest.raises(LocalTomlError, match="keep one of them"):
        read_local_toml(tmp_path)
    pyproject.write_text('[project]\nname = "chat"')
    assert read_local_toml(tmp_path) == LocalToml()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("databse = true", "databse"),
        ("[lambda]\nconcurrency = 0", r"lambda\.concurrency"),
        ('[secrets]\nSEED = "mine"', r"secrets\.SEED"),
        ("database =", r"local\.toml"),
        ('[gateway]\ncallbacks = "closed"', r"gateway\.callbacks: .*'open', 'signed' or 'verified'"),
        ('[gateway]\nmessage_order = "random"', r"gateway\.message_order: .*'concurrent' or 'serial'"),
        ('[gateway]\nroute_responses = ["$connect"]', r"gateway\.route_responses\.0: .*'\$default'"),
        (
            '[gateway]\nroute_selection_expression = "action"',
            r"gateway\.route_selection_expression: .*'action'",
        ),
        (
            '[gateway]\nauthorizer_identity_sources = ["token"]',
            r"gateway\.authorizer_identity_sources\.0: .*'token'",
        ),
        ('[gateway]\nwebsocket_stage = "a/b"', r"gateway\.websocket_stage: .*pattern"),
        ('[gateway]\nrest_stage = "ping"', r"gateway\.rest_stage: .*reserved"),
        ("[gateway.limits]\nidle_s = 601", r"gateway\.limits\.idle_s: .*less than or equal to 600"),
        ("[gateway.limits]\nduration_s = 0", r"gateway\.limits\.duration_s: .*greater than 0"),
        ("[gateway.limits]\nintegration_timeout_s = 30", r"gateway\.limits\.integration_timeout_s: .*to 29"),
    ],
)
def test_mistake_is_refused_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(LocalTomlError, match=place):
        read_local_toml(write(tmp_path, text))


def test_batches_are_judged_as_chalice_deploys_them_unless_the_project_says_otherwise() -> None:
    assert not LocalToml().event_source.report_batch_item_failures
    # As infra/deploy/templates/app.yaml sets it for the deployed functions.
    project = Path(__file__).parents[4] / "chalice_app"
    assert read_local_toml(project).event_source.report_batch_item_failures


def test_this_projects_function_answers_in_its_result_as_its_gateway_passes_that_on() -> None:
    assert LocalToml().gateway.route_responses == frozenset()
    project = read_local_toml(APP_DIR)
    assert project.gateway.route_responses == {"$default"}
    assert project.environment["ROUTE_RESPONSES"] == "1"


def test_project_that_names_its_services_has_no_others(tmp_path: Path) -> None:
    (tmp_path / ".chalice").mkdir()
    assert read_local_toml(tmp_path).aws_services is None
    (tmp_path / ".chalice" / "local.toml").write_text('aws_services = ["sqs", "s3"]')
    assert read_local_toml(tmp_path).aws_services == ("sqs", "s3")


def test_this_projects_emulator_serves_queues_alone() -> None:
    assert read_local_toml(APP_DIR).aws_services == ("sqs",)


def test_sentence_that_could_never_be_filled_is_refused_at_the_start(tmp_path: Path) -> None:
    write(tmp_path, '[log.sentences]\n"order shipped" = "{order_id!r}"')
    with pytest.raises(LocalTomlError, match=r"log\.sentences"):
        read_local_toml(tmp_path)
