"""What the processes of a run tell the one that shares out the tests: what is shown of them, and no more.

pytest-xdist has them send five messages for a test and one that it is done with; three of them say that it
begins, that its fixtures were made and that they are gone. Of twelve thousand tests that pass, to send and to
read those took five seconds of processor time.
"""

from collections.abc import Mapping
from typing import Any, Protocol, cast

import pytest


class _Interactor(Protocol):
    """What xdist registers as a plugin in each process that runs tests."""

    def sendevent(self, name: str, **what: Any) -> None: ...


def tell_what_is_shown(options: Any, plugins: pytest.PytestPluginManager) -> None:
    """Have this process, which runs tests for another one, send what that shows or counts."""
    if options.verbose > 0 or options.durations is not None or options.xmlpath:
        return
    senders = (each for each in plugins.get_plugins() if hasattr(each, "sendevent"))
    (interactor,) = (cast("_Interactor", each) for each in senders)
    send = interactor.sendevent

    def sendevent(name: str, **what: Any) -> None:
        if is_shown(name, what):
            send(name, **what)

    interactor.sendevent = sendevent  # type: ignore[method-assign]  # of this object


def is_shown(name: str, what: Mapping[str, Any]) -> bool:
    """Return whether a message tells of more than a test that begins, or fixtures that came and went."""
    if name != "testreport":
        return name != "logstart"
    report = what["data"]
    # What a fixture printed is shown with the test, if that fails.
    return report["when"] == "call" or report["outcome"] != "passed" or bool(report["sections"])
