"""Sign-ins over OPC UA leave records in the site's audit trail, as those over HTTP do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from structlog.testing import capture_logs

from server.core.clock import ManualClock
from server.core.values import Caller
from server.opcua.sign_in_trail import SignInTrail
from server.security.audit import AuditTrail
from tests.kit.opcua import running

CALLER = Caller("olga", "operator", "opcua", "127.0.0.1")


class Written:
    """The trail's writer."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []
        self.came = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, *line: Any) -> None:
        self.lines.append(line)
        self._loop.call_soon_threadsafe(self.came.set)


async def test_records_are_written_in_their_order_and_the_rest_at_the_end() -> None:
    written = Written()
    trail = SignInTrail(AuditTrail(written, ManualClock()))
    trail(CALLER, "sign in", "olga", "Good", "first")
    task = asyncio.create_task(trail.run())
    async with asyncio.timeout(5):
        await written.came.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for detail in ("second", "third"):
        trail(CALLER, "sign in", "olga", "Good", detail)
    await trail.drain()
    assert [line[-1] for line in written.lines] == ["first", "second", "third"]
    assert written.lines[0][1:8] == ("olga", "operator", "opcua", "127.0.0.1", "sign in", "olga", "Good")


async def test_a_record_tells_when_it_happened_however_long_it_waited() -> None:
    # Other records go to the disk by other ways: only their times put a lock before the METHOD that it allows.
    clock, written = ManualClock(), Written()
    trail, happened = SignInTrail(AuditTrail(written, clock)), clock.now()
    trail(CALLER, "lock", "breaker-001", "Good", "")
    clock.advance(2)
    await AuditTrail(written, clock).write(CALLER, "invoke", "breaker-001/ActionSet/guided", "Good")
    await trail.drain()
    assert [(line[0], line[5]) for line in written.lines] == [(clock.now(), "invoke"), (happened, "lock")]


async def test_refusals_are_logged_and_sign_ins_are_not() -> None:
    trail = SignInTrail(AuditTrail(Written(), ManualClock()))
    with capture_logs() as logs:
        trail(CALLER, "sign in", "olga", "Good", "")
        for user in ("Ольга", "\x1b[2Jolga"):
            claimed = Caller(user, "anonymous", "opcua", "127.0.0.1")
            trail(claimed, "sign in", user, "BadIdentityTokenRejected", "")
    assert [(line["event"], line["user"], line["address"], line["reason"]) for line in logs] == [
        ("sign_in_refused", "Ольга", "127.0.0.1", "BadIdentityTokenRejected"),
        ("sign_in_refused", r"'\x1b[2Jolga'", "127.0.0.1", "BadIdentityTokenRejected"),
    ]


async def test_a_refused_lock_is_no_refused_sign_in() -> None:
    written = Written()
    trail = SignInTrail(AuditTrail(written, ManualClock()))
    with capture_logs() as logs:
        trail(CALLER, "lock", "breaker-001", "refused (-1)", "a look")
    await trail.drain()
    assert (logs, [line[5:8] for line in written.lines]) == ([], [("lock", "breaker-001", "refused (-1)")])


async def test_what_the_disk_cannot_keep_up_with_is_counted() -> None:
    written = Written()
    trail = SignInTrail(AuditTrail(written, ManualClock()), most=2)
    for number in range(5):
        trail(CALLER, "sign in", "olga", "BadIdentityTokenRejected", str(number))
    await trail.drain()
    assert ([line[-1] for line in written.lines], trail.lost) == (["0", "1"], 3)


async def test_the_server_records_who_signed_in_and_who_did_not(tmp_path: Path) -> None:
    written = Written()
    async with running(tmp_path, devices=(), audit=written) as rig:
        async with rig.client("olga"):
            pass
        with pytest.raises(ua.UaStatusCodeError):
            async with rig.client("olga", "wrong"):
                pass
    assert [(line[1], line[5], line[7]) for line in written.lines] == [
        ("olga", "sign in", "Good"),
        ("olga", "sign in", "BadIdentityTokenRejected"),
    ]
