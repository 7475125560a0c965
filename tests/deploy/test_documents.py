"""What the documents on deploying and operating name must be there."""

import json
import re
from pathlib import Path

from infra.deploy.alarms import ALARMS
from infra.deploy.cloud import Target
from infra.deploy.metrics import FUNCTIONS
from infra.deploy.stacks import stacks

ROOT = Path(__file__).parents[2]
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
DEPLOYING = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")


def test_every_alarm_says_what_to_do_and_no_other_is_described() -> None:
    described = set(
        re.findall(r"^\| `(\w+)` \|", OPERATING.split("## Alarms")[1].split("## ")[0], re.MULTILINE)
    )
    assert described == {alarm.name for alarm in ALARMS}


def test_every_stack_and_function_of_a_deployment_is_described() -> None:
    for stack in stacks(Target.AWS, "dev"):
        assert f"`{stack.name.replace('orderflow-dev', '…')}`" in DEPLOYING
    for function in FUNCTIONS:
        assert f"| `{function}` |" in DEPLOYING


def test_latency_alarm_rings_before_the_consumer_is_out_of_time() -> None:
    configured = json.loads((ROOT / "chalice_app" / ".chalice" / "config.json").read_text(encoding="utf-8"))
    time_out_s = configured["lambda_functions"]["execute_orders"]["lambda_timeout"]
    (threshold_ms,) = (alarm.threshold for alarm in ALARMS if alarm.name == "ConsumerLatency")
    assert threshold_ms < 1000 * time_out_s


def test_functions_have_the_memory_and_time_outs_that_the_document_says() -> None:
    configured = json.loads((ROOT / "chalice_app" / ".chalice" / "config.json").read_text(encoding="utf-8"))
    for name, own in configured["lambda_functions"].items():
        memory = own.get("lambda_memory_size", configured["lambda_memory_size"])
        time_out = own.get("lambda_timeout", configured["lambda_timeout"])
        assert re.search(rf"\| `{name}` \| {memory}\b[^|]*\| {time_out} \|", DEPLOYING), name
