"""asyncua's own server with the load nodes: prints {"url": …} when it listens, ends on SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import Server, ua, uamethod

from tests.bench.opcua import certificate
from tests.bench.opcua.bodies import FIRST_FOLDER, FIRST_NODE, LOAD_URI, METHOD, PER_FOLDER, ROOT

URI = "urn:bench:asyncua"
AT_ONCE = 100  # nodes written before requests get their turn


@uamethod
def echo(_parent: Any, value: float) -> float:
    """The Double that came."""
    return value


def double(value: float) -> ua.DataValue:
    """A counter value of now."""
    now = datetime.now(UTC)
    return ua.DataValue(ua.Variant(value, ua.VariantType.Double), SourceTimestamp=now, ServerTimestamp=now)


async def count_up(server: Server, ids: list[ua.NodeId], period_s: float) -> None:
    """All nodes up by one every period, at even times; late rounds follow at once."""
    due, value = time.monotonic(), 0.0
    while True:
        due += period_s
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        value += 1.0
        counted = double(value)
        for number, node_id in enumerate(ids, 1):
            await server.write_attribute_value(node_id, counted)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)


async def serve(nodes: int, period_ms: int, folder: Path) -> None:
    """Build, listen, count, until told to end."""
    own, key = certificate.make(folder, URI)
    server = Server()
    await server.init()
    await server.set_application_uri(URI)
    server.set_endpoint("opc.tcp://127.0.0.1:0/bench")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity, ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    await server.load_certificate(str(own))
    await server.load_private_key(str(key))
    index = await server.register_namespace(LOAD_URI)
    root = await server.nodes.objects.add_folder(ua.NodeId(ROOT, index), ua.QualifiedName("Load", index))
    double_type = [ua.VariantType.Double]
    await root.add_method(ua.NodeId(METHOD, index), ua.QualifiedName("Echo", index), echo, double_type, double_type)
    ids = []
    parent = root
    for number in range(nodes):
        if number % PER_FOLDER == 0:
            group = number // PER_FOLDER
            parent = await root.add_folder(
                ua.NodeId(FIRST_FOLDER + group, index), ua.QualifiedName(f"Load{group}", index)
            )
        variable = await parent.add_variable(
            ua.NodeId(FIRST_NODE + number, index),
            ua.QualifiedName(f"Value{number}", index),
            0.0,
            ua.VariantType.Double,
            ua.NodeId(ua.ObjectIds.Double),
        )
        await variable.set_writable()
        ids.append(variable.nodeid)
    first = double(0.0)
    for node_id in ids:
        await server.write_attribute_value(node_id, first)
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with server:
        port = server.bserver._server.sockets[0].getsockname()[1]
        print(json.dumps({"url": f"opc.tcp://127.0.0.1:{port}/bench"}), flush=True)
        counting = asyncio.create_task(count_up(server, ids, period_ms / 1000))
        await stopping.wait()
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--period-ms", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(serve(options.nodes, options.period_ms, options.folder))


if __name__ == "__main__":
    main()
