"""The whole server writes OPC UA sign-ins into its audit trail and logs those it refuses."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from asyncua import Client, ua

from tests.kit.product import product

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]


async def test_sign_ins_over_opc_ua_are_recorded(tmp_path: Path) -> None:
    async with product(tmp_path, env={"FIELDLOOM_OPCUA__ALLOW_NONE": "true"}) as server:
        for password in (server.password("operator"), "wrong"):
            client = Client(server.opcua_url)
            client.set_user("operator")
            client.set_password(password)
            if password == "wrong":
                with pytest.raises(ua.UaStatusCodeError):
                    await client.connect()
            else:
                await client.connect()
                await client.disconnect()
    # The server has stopped: what waited for the disk is written.
    with closing(sqlite3.connect(server.data / "site.db")) as site:
        rows = site.execute("SELECT user, door, action, outcome FROM audit ORDER BY entry").fetchall()
    assert rows == [
        ("operator", "opcua", "sign in", "Good"),
        ("operator", "opcua", "sign in", "BadIdentityTokenRejected"),
    ]
    assert "sign_in_refused" in server.log.read_text()
