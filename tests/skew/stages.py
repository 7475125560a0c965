"""What a skewed run goes through: which functions are of which release, and who migrates when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final


class Release(Enum):
    OLDER = "older"
    THIS = "newer"


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a run.

    Attributes:
        older_percent: How many of a hundred environments are of the older release.
        migrates: Which release's migration runs first, as its deployment has it.
        knows_waiting: Clients use what came after 0.2.0, as ``SocketClient`` has it.
    """

    name: str
    older_percent: int
    migrates: Release | None = None
    knows_waiting: bool = True


_AND_BACK: Final = (
    Stage("both", 50),
    Stage("this alone", 0),
    Stage("both, going back", 50, Release.OLDER),
    Stage("the older alone", 100),
    Stage("both, forward again", 50, Release.THIS),
)
# No going back to it by deploying it; a stack that fails while it is replaced goes back by itself.
_FROM_0_2_0: Final = (
    Stage("the older alone, on its own database", 100, knows_waiting=False),
    Stage("the older alone, on this database", 100, Release.THIS, knows_waiting=False),
    Stage("both", 50, knows_waiting=False),
    Stage("this alone", 0),
    Stage("both, going back", 50, Release.OLDER, knows_waiting=False),
    Stage("the older alone", 100, knows_waiting=False),
    Stage("both, forward again", 50, knows_waiting=False),
)


def stages_from(older: Path) -> tuple[Sequence[Stage], Mapping[str, str]]:
    """Return the stages for a release by its tree, and the settings that docs/deploying.md asks for."""
    versions = older / "chalicelib/migrations/versions"
    stages = _AND_BACK if any(versions.glob("0010_*")) else _FROM_0_2_0
    return stages, {} if any(versions.glob("0022_*")) else {"PACKED_EVENTS": "0"}


def is_prepared_by(stages: Sequence[Stage]) -> Release:
    """Return the release that prepares the database: the older where it begins alone."""
    return Release.OLDER if stages[0].older_percent == 100 else Release.THIS
