"""``[[companions]]`` of ``local.toml``.

Programs that run beside the app, such as a model server or a chain.
"""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, field_validator

from chalice_offline.project.table import Table

PORT_MAX: Final = 65_000
PORTS_MAX: Final = 16
_TAKEN: Final = frozenset({"functions", "ministack", "postgres", "runtime"})


class CompanionTable(Table):
    """One program. In texts, ``${NAME}`` stands for a variable of the functions' environment, ``${port}`` for
    the companion's port, and ``${state}`` for a directory of its own that outlives it.

    Attributes:
        command: Run without a shell; ``python`` in it is the functions' interpreter.
        directory: Where it runs, relative to the project.
        when: Runs only where all these variables have these values; an empty one stands for "not set".
        port: The one that it gets unless another program has it, as a number or a reference to a variable;
            without one, ``${port}`` is not known.
        ports: How many ports in a row it listens at, from that one on.
        ready: ``tcp://host:port`` that can be connected to, or ``http://host:port/path`` that answers
            with 2xx, once it is ready; without one, it is ready at once.
        environment: More variables for it.
        gives: Variables for the functions, and for the commands of ``on_start``.
        says: A line for the end of what is printed when everything is ready.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    command: Annotated[str, Field(min_length=1)]
    directory: Path = Path()
    when: dict[str, str] = Field(default_factory=dict)
    port: Annotated[int, Field(ge=1, le=PORT_MAX)] | str | None = None
    ports: Annotated[int, Field(ge=1, le=PORTS_MAX)] = 1
    ready: Annotated[str, Field(pattern=r"^(tcp|http)://")] | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    gives: dict[str, str] = Field(default_factory=dict)
    says: str = ""

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in _TAKEN:
            raise ValueError(f"{name} is the runtime's own: choose another name")
        return name
