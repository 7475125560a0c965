import os
import signal

import pytest

from infra.cli.stopping import SIGNALS, stopping


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_asks_for_an_end_and_the_next_one_does_what_it_did_before(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with stopping("this step") as stop:
        assert not stop.is_wanted
        os.kill(os.getpid(), number)
        assert stop.is_wanted
        assert stop.exit_status == 128 + number
        assert signal.getsignal(number) == before
    assert "Stopping after this step" in capsys.readouterr().err


def test_command_that_is_done_leaves_signals_as_they_were() -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with stopping("this step"):
        pass
    assert [signal.getsignal(each) for each in SIGNALS] == before
