"""Which debugger a function has."""

import os
import pty

from chalice_offline.debugging import Debugging, terminal_of


def test_each_function_has_a_port_of_its_own_for_good() -> None:
    debugging = Debugging(terminal="/dev/pts/1", first_port=5678)
    ports = [debugging.of(name)["debugpy_port"] for name in ("api", "work", "api", "tick")]
    assert ports == [5678, 5679, 5678, 5680]
    assert debugging.addresses()[1] == "debugpy 127.0.0.1:5679 work"


def test_without_ports_the_terminal_is_the_debuggers() -> None:
    debugging = Debugging(terminal="/dev/pts/1")
    assert debugging.of("api") == {"terminal": "/dev/pts/1", "debugpy_port": None}
    assert debugging.addresses() == []


def test_terminal_is_found_by_its_descriptor_and_what_is_none_has_none() -> None:
    ours, theirs = pty.openpty()
    assert terminal_of(theirs) == os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)
    reader, writer = os.pipe()
    assert terminal_of(reader) is None
    os.close(reader)
    os.close(writer)
