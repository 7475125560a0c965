"""``wscat`` itself, as the README has it: what a stranger types must print what we promise.

wscat ends before it connects when its standard input is at its end, with exit status 0: so its input is held
open here, and the text it prints is judged, never the status.
"""

import json
import shutil
import subprocess
from pathlib import Path
from threading import Timer

import pytest

from tests.e2e.trader import LIFE, TIME_LIMIT_S, Frame, assert_whole, statuses
from tests.support.instance import Instance

WSCAT = "wscat@6.1.0"


@pytest.fixture(scope="module")
def wscat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("no node on this machine: wscat was not tried")
    folder = tmp_path_factory.mktemp("wscat")
    install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), WSCAT]
    try:
        installed = subprocess.run(install, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not answer within two minutes: wscat was not tried")
    if installed.returncode:
        pytest.skip(f"npm could not install {WSCAT}: {installed.stderr.strip()[:200]}")
    return folder / "node_modules" / ".bin" / "wscat"


def frames_of(wscat: Path, url: str, *sent: str, last: set[str]) -> list[Frame]:
    """Run wscat until it has printed frames of these types or statuses; return what it printed by then."""
    arguments = [part for text in sent for part in ("-x", text)]
    command = [str(wscat), "--no-color", "-c", url, *arguments, "-w", "-1"]
    frames: list[Frame] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        stop = Timer(TIME_LIMIT_S, process.terminate)
        stop.start()
        for line in process.stdout:
            if (text := line.removeprefix("< ")).startswith("{"):
                frames.append(json.loads(text))
            if last <= {frame.get("status", frame["type"]) for frame in frames}:
                break
        stop.cancel()
        process.terminate()
    return frames


def test_order_sent_with_wscat_is_printed_from_pending_to_confirmed(wscat: Path, instance: Instance) -> None:
    order = '{"action":"submit","inputToken":"SOL","outputToken":"USDC","amount":"1.5"}'
    frames = frames_of(wscat, instance.websocket_url, order, last={"accepted", "confirmed"})
    assert len([frame for frame in frames if frame["type"] == "accepted"]) == 1
    events = [frame for frame in frames if frame["type"] == "order"]
    assert_whole(events)
    assert statuses(events) == LIFE


def test_several_frames_of_wscat_are_each_answered(wscat: Path, instance: Instance) -> None:
    frames = frames_of(wscat, instance.websocket_url, '{"action":"ping"}', "hello", last={"error", "pong"})
    assert sorted(frame["type"] for frame in frames) == ["error", "pong"]
