"""Each module of the local runtime has a test of its name at the same place, or a reason why not."""

from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[2]
UNIT: Final = Path(__file__).parent
SOURCE: Final = TESTS.parent / "chalice_offline"

ELSEWHERE: Final[dict[str, str]] = {
    # What only a running instance shows.
    "asking.py": "strangers/test_shop.py",
    "cli.py": "unit/chalice_offline/test_package.py",
    "cloud.py": "deploy/test_localstack.py",
    "declared_resources.py": "strangers/test_reload.py",
    "feeds.py": "strangers/test_album.py",
    "options.py": "unit/chalice_offline/test_package.py",
    "pytest_plugin.py": "strangers/test_pytest_plugin.py",
    "runtime.py": "strangers/test_reload.py",
    "start_commands.py": "strangers/test_shop.py",
    "status_file.py": "unit/chalice_offline/test_full_disk.py",
    "triggers.py": "strangers/test_reload.py",
    "lambda_host/debugger.py": "strangers/test_debug.py",
    "services/children.py": "e2e/test_restart.py",
    "services/managed.py": "strangers/test_shop.py",
    "services/ministack.py": "strangers/test_shop.py",
    "services/ports.py": "unit/chalice_offline/gateway/test_addresses.py",
    "services/postgres_binaries.py": "e2e/test_restart.py",
    # The gateway, asked as its clients ask it.
    "gateway/application.py": "unit/chalice_offline/gateway/test_gateway.py",
    "gateway/edge.py": "unit/chalice_offline/gateway/test_gateway.py",
    "gateway/outcomes.py": "unit/chalice_offline/gateway/test_rest.py",
    "gateway/refusals.py": "unit/chalice_offline/gateway/test_rest.py",
    "gateway/server.py": "unit/chalice_offline/gateway/test_start_and_stop.py",
    "prompt_http.py": "unit/chalice_offline/gateway/test_http_protocol.py",
    # Processes of an app, with the host that starts them.
    "lambda_host/bootstrap.py": "unit/chalice_offline/lambda_host/test_environment.py",
    "lambda_host/fork_server.py": "unit/chalice_offline/lambda_host/test_forker.py",
    "lambda_host/forks.py": "unit/chalice_offline/lambda_host/test_forker.py",
    "lambda_host/pool.py": "unit/chalice_offline/lambda_host/test_host.py",
    "lambda_host/private_tmp.py": "unit/chalice_offline/lambda_host/test_environment.py",
    "lambda_host/shared_import.py": "unit/chalice_offline/lambda_host/test_snapshot.py",
    # One promise that several modules keep together.
    "project/functions.py": "unit/chalice_offline/project/test_inspection.py",
    "project/gateway_table.py": "unit/chalice_offline/project/test_local_toml.py",
    "services/emulator_guard.py": "unit/chalice_offline/services/test_guarded_emulator.py",
    "services/emulator_server.py": "unit/chalice_offline/services/test_guarded_emulator.py",
}
"""Where a module is tested instead, below ``tests``."""

WITHOUT_BEHAVIOUR: Final = frozenset(
    {
        "gateway/asgi.py",
        "gateway/responses.py",
        "gateway/settings.py",
        "invocation.py",
        "project/table.py",
        "version.py",
    }
)
"""Records, protocols and types."""


def modules() -> list[str]:
    files = sorted(SOURCE.rglob("*.py"))
    paths = [file.relative_to(SOURCE) for file in files if not file.name.startswith("__")]
    return [str(path) for path in paths if path.parts[0] != "build"]


def test_every_module_has_a_test_of_its_name_or_a_reason_why_not() -> None:
    without = [
        module
        for module in modules()
        if not (UNIT / Path(module).parent / f"test_{Path(module).name}").is_file()
    ]
    assert sorted(without) == sorted([*ELSEWHERE, *WITHOUT_BEHAVIOUR])


def test_every_test_that_stands_in_for_another_is_there() -> None:
    assert [test for test in ELSEWHERE.values() if not (TESTS / test).is_file()] == []
