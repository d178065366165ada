"""Browsing and reading while the nodes looked at come and go."""

from __future__ import annotations

import asyncio
import struct

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary

from tests.fuzz.opcua_abuse.site import PLANT, Site
from tests.fuzz.opcua_abuse.wire import code_of, leave, name, request, said
from tests.kit.raw import RawSession

NODES = 60


async def _added(session: RawSession, parent: ua.NodeId, index: int, turn: int) -> list[ua.NodeId]:
    """Some Variables below a folder."""
    made = ua.AddNodesRequest()
    made.Parameters.NodesToAdd = [
        ua.AddNodesItem(
            ParentNodeId=ua.ExpandedNodeId(parent.Identifier, parent.NamespaceIndex),
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.Organizes),
            BrowseName=ua.QualifiedName(f"Passing{turn}-{number}", index),
            NodeClass=ua.NodeClass.Object,
            NodeAttributes=ua.ObjectAttributes(
                SpecifiedAttributes=ua.NodeAttributesMask.DisplayName, DisplayName=ua.LocalizedText("passing")
            ),
            TypeDefinition=ua.ExpandedNodeId(ua.ObjectIds.FolderType),
        )
        for number in range(NODES)
    ]
    results = (await session.call(made)).Results
    return [result.AddedNodeId for result in results if not result.StatusCode.value]


async def browsing_while_nodes_change(site: Site) -> str:
    """Pages of two references, subscriptions and reads on nodes that an administrator adds and deletes meanwhile."""
    admin = await site.session(user="admin", secured=True)
    reader = await site.session()
    index = await site.index(admin, PLANT)
    parent = ua.NodeId("Fieldloom", index)
    answers: list[str] = []
    done = asyncio.Event()

    async def change() -> None:
        for turn in range(15 * site.scale):
            nodes = await _added(admin, parent, index, turn)
            answers.append(f"{len(nodes)} added")
            if nodes:
                gone = ua.DeleteNodesRequest()
                gone.Parameters.NodesToDelete = [ua.DeleteNodesItem(node, True) for node in nodes]
                answers.extend(f"deleted {name(code.value)}" for code in (await admin.call(gone)).Results)
        done.set()

    async def browse() -> None:
        one = nodeid_to_binary(parent) + struct.pack("<I", 0)
        one += nodeid_to_binary(ua.NodeId(ua.ObjectIds.HierarchicalReferences)) + struct.pack("<BII", 1, 0, 63)
        first = request("Browse", reader.token, b"\x00\x00" + bytes(12) + struct.pack("<Ii", 2, 1) + one)
        while not done.is_set():
            body = await reader.channel.request(first)
            (result,) = reader.channel.decoded(body).Results
            answers.append(f"Browse {name(result.StatusCode.value)}")
            while result.ContinuationPoint:
                asked = ua.BrowseNextRequest()
                asked.Parameters.ContinuationPoints = [result.ContinuationPoint]
                (result,) = (await reader.call(asked)).Parameters.Results
                answers.append(f"BrowseNext {name(result.StatusCode.value)}")

    await asyncio.gather(change(), browse())
    assert code_of(await reader.channel.request(request("Read", reader.token, struct.pack("<dIi", 0.0, 2, 0))))
    for session in (admin, reader):
        await session.close()
        await leave(session)
    return said(answers)


ATTACKS = (browsing_while_nodes_change,)
