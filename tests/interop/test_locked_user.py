"""A locked account loses the OPC UA session that is open; `fieldloom user` acts on the running server."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from asyncua import Client, ua

from tests.kit.product import ROOT, Product, built, product
from tests.kit.until import until

pytestmark = pytest.mark.interop


async def fieldloom(server: Product, *arguments: str) -> None:
    environment = {
        **os.environ,
        **built(server.data.parent),
        "FIELDLOOM_DATA_DIR": str(server.data),
        "PYTHONPATH": str(ROOT),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server",
        *arguments,
        cwd=server.data.parent,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


async def test_a_locked_user_is_signed_out(tmp_path: Path) -> None:
    async with product(tmp_path, env={"FIELDLOOM_OPCUA__ALLOW_NONE": "true"}) as server:
        client, bystander = Client(server.opcua_url, 30), Client(server.opcua_url, 30)
        client.set_user("operator")
        client.set_password(server.password("operator"))
        bystander.set_user("viewer")
        bystander.set_password(server.password("viewer"))
        state = ua.NodeId(ua.ObjectIds.Server_ServerStatus_State)
        async with bystander:
            await client.connect()
            try:
                assert await client.get_node(state).read_value() == 0  # control
                await fieldloom(server, "user", "lock", "operator")

                async def ended() -> bool:
                    try:
                        await client.get_node(state).read_value()
                    except ua.UaStatusCodeError as error:
                        assert error.code == ua.StatusCodes.BadSessionIdInvalid
                        return True
                    return False

                await until(ended, "the end of the locked user's session", within_s=30)
                assert await bystander.get_node(state).read_value() == 0
            finally:
                client.disconnect_socket()
                await asyncio.gather(client.disconnect(), return_exceptions=True)
