"""What a project's ``resources.json`` declares, kept in the managed emulator as the file is now."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalice_offline.logs import Log
from chalice_offline.project.function_changes import FunctionChanges
from chalice_offline.project.inspection import ProjectError
from chalice_offline.project.resources import answers, expressions, own_template, stack_name
from chalice_offline.stack import ensure_stack
from chalice_offline.template_file import TemplateFileError, load_template


class DeclaredResources:
    """The stack of one project and stage.

    Attributes:
        answers: Values of the expressions in variables of ``config.json`` and of ``changes``.
        changes: What is declared of Chalice's own functions.
    """

    def __init__(self, app_dir: Path, stage: str, endpoint: str, aws: Mapping[str, str], log: Log) -> None:
        self._app_dir = app_dir
        self._stage = stage
        self._endpoint = endpoint
        self._aws = aws
        self._log = log
        self._template: dict[str, Any] | None = None
        self.answers: Mapping[str, str] = {}
        self.changes = FunctionChanges()

    @property
    def are_made(self) -> bool:
        """Whether there are any: then the emulator runs."""
        return bool(self._template and self._template["Resources"])

    async def ensure(self) -> None:
        """Create what is declared, or change what is there; nothing is done if nothing has changed.

        Raises:
            ProjectError: A file is no JSON, or the emulator refuses.
        """
        try:
            template = load_template(self._app_dir / "resources.json")
            config = json.loads((self._app_dir / ".chalice" / "config.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except TemplateFileError as error:
            raise ProjectError(str(error)) from error
        except ValueError as error:
            raise ProjectError(f".chalice/config.json: {error}") from error
        changes = FunctionChanges.of(template)
        wanted = expressions(config, self._stage, changes.expressions())
        own, left_out = own_template(template, wanted)
        self.changes = changes
        if own == self._template:
            return
        for name in [name for name in left_out if name not in changes.properties]:
            self._log.event("warning", "not created: it is Chalice's or refers to what is", resource=name)
        if own["Resources"]:
            name = stack_name(config.get("app_name", "app"), self._stage)
            outputs = await asyncio.to_thread(ensure_stack, name, own, self._endpoint, self._aws)
            self.answers = answers(wanted, outputs)
        self._template = own
