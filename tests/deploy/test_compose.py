"""The compose file and the Dockerfile, as far as they can be judged without a container engine."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.image import ROOT, copied

PATH = ROOT / "docker-compose.localstack.yml"
COMPOSE = yaml.safe_load(PATH.read_text(encoding="utf-8"))
# The schema of the Compose specification comes with the checker: nothing is fetched.
CHECK = (str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", "vendor.compose-spec")


def checked(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run((*CHECK, str(path)), capture_output=True, text=True, check=False)


def test_compose_file_follows_the_specification() -> None:
    done = checked(PATH)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "broken",
    [
        {"services": {"a": {"imgae": "x"}}},
        {"services": {"a": {"image": "x", "depends_on": {"b": {"condition": "service_well"}}}}},
    ],
    ids=["misspelt", "unknown-condition"],
)
def test_mistake_in_a_compose_file_is_found(broken: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "compose.yml"
    path.write_text(json.dumps(broken))
    assert checked(path).returncode == 1


def test_compose_needs_no_token_and_opens_nothing_beyond_this_machine() -> None:
    services = COMPOSE["services"]
    assert services["localstack"]["image"].endswith("localstack/localstack:4.14.0}")
    assert services["localstack"]["environment"]["LOCALSTACK_AUTH_TOKEN"].endswith(":-}")
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_runtime_waits_until_what_it_needs_is_healthy() -> None:
    services = COMPOSE["services"]
    needed = services["orderflow"]["depends_on"]
    assert needed == {name: {"condition": "service_healthy"} for name in ("localstack", "postgres")}
    assert all("healthcheck" in services[name] for name in (*needed, "orderflow"))


def test_published_port_leads_through_the_forwarder_to_the_runtime() -> None:
    services = COMPOSE["services"]
    runtime, forwarder = services["orderflow"], services["forwarder"]
    listening = re.search(r"TCP-LISTEN:(\d+).* TCP:127\.0\.0\.1:(\d+)", forwarder["command"])
    assert listening is not None
    assert runtime["ports"] == [f"127.0.0.1:${{ORDERFLOW_PORT:-3000}}:{listening[1]}"]
    assert runtime["environment"]["ORDERFLOW_PORT"] == listening[2]
    assert forwarder["network_mode"] == "service:orderflow"
    # A runtime that is made anew has a network of its own, where the old forwarder is not.
    assert forwarder["depends_on"]["orderflow"] == {"condition": "service_healthy", "restart": True}


def test_every_published_port_can_be_moved() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{\w+_PORT:-\d+\}:\d+", port) for port in published)


def test_code_that_the_image_copies_is_mounted_over_it_and_watched() -> None:
    runtime = COMPOSE["services"]["orderflow"]
    folders = [name for name in copied() if (ROOT / name).is_dir()]
    assert sorted(runtime["volumes"]) == sorted(f"./{name}:/srv/orderflow/{name}:ro" for name in folders)
    assert "--no-reload" not in runtime["command"]


def test_record_is_kept_no_longer_than_the_queues() -> None:
    assert "volumes" not in COMPOSE
    assert COMPOSE["services"]["postgres"]["tmpfs"] == ["/var/lib/postgresql/data"]


def test_localstack_offers_every_service_that_it_has() -> None:
    assert "SERVICES" not in COMPOSE["services"]["localstack"]["environment"]


def test_image_holds_what_runs_and_no_checker() -> None:
    assert [name for name in copied() if name.startswith("requirements")] == ["requirements-run.txt"]


def test_image_copies_only_what_there_is_and_the_build_is_sent_all_of_it() -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert copied()
    for name in copied():
        assert (ROOT / name).exists(), name
        assert f"!{name}" in sent
