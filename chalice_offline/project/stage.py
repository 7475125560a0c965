"""What must be known of a stage before the app is described.

That it is there, and the name of its API's stage.
"""

import json
from pathlib import Path
from typing import Any, Final

from chalice_offline.project.inspection import ProjectError

# chalice/constants.py
_API_STAGE: Final = "api"


def api_stage(app_dir: Path, stage: str) -> str:
    """Return ``api_gateway_stage`` of a Chalice stage, under which it deploys both of an app's APIs.

    Raises:
        ProjectError: ``config.json`` cannot be read, or has stages but not this one.
    """
    path = app_dir / ".chalice" / "config.json"
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
        stages = config.get("stages", {})
        if stages and stage not in stages:
            raise ProjectError(
                f"{path} has no stage {stage!r}, but {', '.join(sorted(stages))}: choose one with --stage"
            )
        return str(
            stages.get(stage, {}).get("api_gateway_stage") or config.get("api_gateway_stage", _API_STAGE)
        )
    except FileNotFoundError:
        # The description of the app says what a project needs.
        return _API_STAGE
    except (ValueError, AttributeError) as error:
        raise ProjectError(f"{path} is no configuration of Chalice's: {error}") from error
