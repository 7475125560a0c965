"""What the root logger of a function writes."""

import json
import re

from chalice_offline.lambda_host.host import LambdaHost
from tests.unit.chalice_offline.lambda_host.bench import Bench, payload


def test_root_logger_writes_as_lambdas_does(bench: Bench) -> None:
    async def scenario(host: LambdaHost) -> None:
        first = payload(await host.invoke("logs", {}))
        second = payload(await host.invoke("logs", {"level": "INFO"}))
        lines = [line.split("\t") for name, line in bench.lines if name == "logs"]
        assert [(level, request_id, text) for level, _, request_id, text in lines] == [
            ("[WARNING]", first, "price 7"),
            ("[WARNING]", second, "price 7"),
            ("[INFO]", second, "seen"),
        ]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line[1]) for line in lines)

    bench.run(scenario)


def test_log_format_and_level_of_the_function_are_heeded(bench: Bench) -> None:
    bench.environment |= {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}

    async def scenario(host: LambdaHost) -> None:
        request_id = payload(await host.invoke("logs", {}))
        await host.invoke("boom", {})
        entries = [json.loads(line) for _, line in bench.lines if line.startswith("{")]
        assert [(entry.get("message"), entry["level"], entry["requestId"]) for entry in entries[:2]] == [
            ("price 7", "WARNING", request_id),
            ("unseen", "INFO", request_id),
        ]
        assert (entries[2]["errorType"], entries[2]["errorMessage"]) == ("ValueError", "bad order")

    bench.run(scenario)
