"""Stage ``dev`` as ``chalice deploy`` makes it, in MiniStack, beside the stacks that one command deploys."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.deploy.chalice_config import chalice_config
from infra.deploy.deployment import Deployment, database_options
from infra.deploy.packaging import CHALICE, Package
from tests.deploy.emulated_cloud import EmulatedCloud
from tests.deploy.stage import APP_DIR, in_ministacks_words

# The command itself, but for its time-out: it waits five seconds for what takes MiniStack less than one. Like
# the package's, it passes over bytecode: what was bundled for that is good for this.
_CHALICE = f"""
import time
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.25))
{CHALICE}
"""
_TIME_OUT_S = 120
# As long as its messages stay hidden.
_CONSUMER_TIME_OUT_S = 36


class ChaliceStage:
    """A copy of the app, and what Chalice deployed of it."""

    def __init__(
        self, emulator: EmulatedCloud, database_url: str, folder: Path, tokens: Mapping[str, str]
    ) -> None:
        self.cloud = emulator.cloud
        self.app_dir = folder / "app"
        self._options = {
            "AuthMode": "jwt",
            "EmulatorUrl": emulator.cloud.endpoint,
            "JwksUrl": "",
            **tokens,
            **database_options(database_url),
        }

    def deploy_stacks(self, built: Package) -> None:
        """Deploy what stands beside the code, and do what it then says."""
        deployment = Deployment(
            self.cloud,
            "dev",
            self._options,
            app_dir=APP_DIR,
            say=lambda _: None,
            is_beside_chalice=True,
        )
        outputs = deployment.deploy(built)
        self._copy_app(chalice_config("dev", outputs))

    def chalice_deploy(self) -> subprocess.CompletedProcess[str]:
        """Run ``chalice deploy --stage dev`` as its users do."""
        credentials = self.cloud.session.get_credentials()
        shell = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "AWS_ENDPOINT_URL": self.cloud.endpoint,
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            # pip's note of when it looked would stay in the caller's home.
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        return subprocess.run(
            (sys.executable, "-c", _CHALICE, "deploy", "--stage", "dev"),
            cwd=self.app_dir,
            env=shell,
            capture_output=True,
            text=True,
            check=False,
        )

    def websocket_url(self) -> str:
        api_id = self._deployed("websocket_api", "websocket_api_id")
        return f"ws://{self.cloud.endpoint.partition('//')[2]}/_aws/execute-api/{api_id}/api"

    def rest_api_id(self) -> str:
        return self._deployed("rest_api", "rest_api_id")

    def forget_rest_api(self) -> None:
        """Have Chalice make the REST API anew."""
        path = self._record()
        deployed = json.loads(path.read_text())
        deployed["resources"] = [each for each in deployed["resources"] if each["name"] != "rest_api"]
        path.write_text(json.dumps(deployed))

    def _record(self) -> Path:
        """Where Chalice keeps what it has deployed."""
        return self.app_dir / ".chalice" / "deployed" / "dev.json"

    def _deployed(self, resource: str, key: str) -> str:
        resources = json.loads(self._record().read_text())["resources"]
        (found,) = (each[key] for each in resources if each["name"] == resource)
        return str(found)

    def _copy_app(self, config: Mapping[str, Any]) -> None:
        # With what Chalice bundled for the package: it does so once for the same code, and pip needs as long
        # for that as the deployment.
        left_out = shutil.ignore_patterns("__pycache__", "chalicelib", "deployed")
        shutil.copytree(APP_DIR, self.app_dir, ignore=left_out)
        (self.app_dir / "chalicelib").symlink_to((APP_DIR / "chalicelib").resolve())
        path = self.app_dir / ".chalice" / "config.json"
        own = json.loads(path.read_text())
        for name, value in config["stages"]["dev"].items():
            own["stages"]["dev"][name] = {**own["stages"]["dev"].get(name, {}), **value}
        # A cold start beside other tests takes what on Lambda is a function's whole time.
        own["lambda_timeout"] = _TIME_OUT_S
        for function in own["lambda_functions"].values():
            function["lambda_timeout"] = _TIME_OUT_S
        for name in ("execute_orders", "settle_dead_letters"):
            own["lambda_functions"][name]["lambda_timeout"] = _CONSUMER_TIME_OUT_S
        path.write_text(json.dumps(own))
        for policy in (self.app_dir / ".chalice").glob("policy-*.json"):
            document = json.loads(policy.read_text())
            in_ministacks_words(document["Statement"])
            policy.write_text(json.dumps(document))
