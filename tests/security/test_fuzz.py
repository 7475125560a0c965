"""Hostile frames through the real gateway: refused one by one, and nothing else happens."""

import asyncio

from tests.fuzz.attack import attack
from tests.security.secured_app import SecuredApp, an_account, trade


def test_hostile_frames_and_handshakes_are_refused_and_leave_the_instance_as_it_was(
    secured_app: SecuredApp,
) -> None:
    instance = secured_app.instance
    logged = len(instance.lines)
    findings = asyncio.run(
        attack(
            instance.websocket_url,
            frames=1_000,
            seed=7,
            connections=2,
            headers=secured_app.bearer(an_account("mallory")),
        )
    )
    assert findings.faults == []
    assert findings.sent == 1_000
    assert {"INVALID_JSON", "INVALID_REQUEST", "UNKNOWN_ACTION"} <= set(findings.answers)
    assert [line for line in instance.lines[logged:] if "Traceback" in line or "[ERROR]" in line] == []
    with secured_app.socket(an_account("alice")) as socket:
        trade(socket)
