"""NumericRange in more than one dimension: matrices, texts in arrays; read, written, monitored (OPC 10000-4, 7.27)."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua

from tests.kit.asking import A, I, Subscriber, get, name_of, plain, read, write
from tests.kit.facets import Room
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
V = ua.VariantType
ROWS, COLUMNS = 3, 4
NUMBERS = [[10 * row + column for column in range(COLUMNS)] for row in range(ROWS)]


def matrix(rows: list[list[int]]) -> ua.Variant:
    """A matrix of Int32."""
    return ua.Variant(rows, V.Int32, Dimensions=[len(rows), len(rows[0])], is_array=True)


@pytest_asyncio.fixture(loop_scope="module")
async def grid(room: Room, admin: RawSession) -> AsyncIterator[ua.NodeId]:
    """A Variable of 3 x 4 numbers, added for the test."""
    mask = ua.NodeAttributesMask
    attributes = ua.VariableAttributes(
        SpecifiedAttributes=int(mask.Value | mask.DataType | mask.AccessLevel | mask.ValueRank | mask.ArrayDimensions),
        Value=matrix(NUMBERS),
        DataType=ua.NodeId(I.Int32),
        ValueRank=2,
        ArrayDimensions=[ROWS, COLUMNS],
        AccessLevel=3,
    )
    made = await get(
        admin,
        "AddNodes",
        NodesToAdd=[
            ua.AddNodesItem(
                ParentNodeId=ua.ExpandedNodeId(I.ObjectsFolder),
                ReferenceTypeId=ua.NodeId(I.Organizes),
                RequestedNewNodeId=ua.ExpandedNodeId(),
                BrowseName=ua.QualifiedName(f"Grid {uuid.uuid4()}", room.index()),
                NodeClass=ua.NodeClass.Variable,
                NodeAttributes=attributes,
                TypeDefinition=ua.ExpandedNodeId(I.BaseDataVariableType),
            )
        ],
    )
    (result,) = made.Results
    assert name_of(result.StatusCode) == "Good"
    yield result.AddedNodeId
    await get(admin, "DeleteNodes", NodesToDelete=[ua.DeleteNodesItem(result.AddedNodeId, True)])


async def _cells(session: RawSession, node: ua.NodeId, index_range: str | None = None) -> Any:
    found = await read(session, node, index_range=index_range)
    return found.Value.Value if name_of(found.StatusCode) == "Good" else name_of(found.StatusCode)


@pytest.mark.parametrize(
    ("index_range", "expected"),
    [
        ("0:2,0:3", NUMBERS),
        ("1,2", [[12]]),
        ("0:1,2:3", [[2, 3], [12, 13]]),
        ("2,0:9", [[20, 21, 22, 23]]),
        ("3,0", "BadIndexRangeNoData"),
        ("0,4", "BadIndexRangeNoData"),
        ("0,0,0", "BadIndexRangeNoData"),
        ("1:0,0", "BadIndexRangeInvalid"),
        ("0,", "BadIndexRangeInvalid"),
    ],
)
async def test_a_part_of_a_matrix_is_read(admin: RawSession, grid: ua.NodeId, index_range: str, expected: Any) -> None:
    assert await _cells(admin, grid, index_range) == expected


async def test_a_part_of_a_matrix_is_written(admin: RawSession, grid: ua.NodeId) -> None:
    assert await write(admin, grid, ua.DataValue(matrix([[-1, -2], [-3, -4]]), None), "1:2,1:2") == "Good"
    assert await _cells(admin, grid) == [[0, 1, 2, 3], [10, -1, -2, 13], [20, -3, -4, 23]]
    wrong = ua.DataValue(matrix([[-1, -2, -3]]), None)
    assert await write(admin, grid, wrong, "1:2,1:2") == "BadIndexRangeDataMismatch"
    assert await _cells(admin, grid) == [[0, 1, 2, 3], [10, -1, -2, 13], [20, -3, -4, 23]]


async def test_rank_and_dimensions_hold_for_whole_values(admin: RawSession, grid: ua.NodeId) -> None:
    # OPC 10000-3, 5.6.2: ValueRank 2; ArrayDimensions are the most there may be.
    assert (await read(admin, grid, A.ValueRank)).Value.Value == 2
    assert (await read(admin, grid, A.ArrayDimensions)).Value.Value == [ROWS, COLUMNS]
    assert await write(admin, grid, plain([1, 2, 3], V.Int32)) == "BadTypeMismatch"
    assert await write(admin, grid, plain(1, V.Int32)) == "BadTypeMismatch"
    assert await write(admin, grid, ua.DataValue(matrix([[1, 2], [3, 4]]), None)) == "Good"
    assert await _cells(admin, grid) == [[1, 2], [3, 4]]


async def test_a_part_of_a_matrix_is_monitored(admin: RawSession, grid: ua.NodeId) -> None:
    # OPC 10000-4, 5.13.2.2: only changes of that part are reported.
    subscriber = await Subscriber.create(admin)
    await subscriber.watch(grid, index_range="0,0:1")
    changed = [list(row) for row in NUMBERS]
    changed[2][3] = 99
    await write(admin, grid, ua.DataValue(matrix(changed), None))
    await subscriber.quiet()
    changed[0][1] = 98
    await write(admin, grid, ua.DataValue(matrix(changed), None))
    ((_, found),) = await subscriber.collect(1)
    assert found.Value.Value == [[0, 98]]
    await subscriber.close()


async def test_texts_in_an_array_are_cut_by_the_last_range(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 7.27: one more dimension than the array has goes into each String.
    node = room.test("StaticArray/String")
    assert await write(session, node, plain(["abcd", "efgh", "ijkl"], V.String)) == "Good"
    assert await _cells(session, node, "0:1,1:2") == ["bc", "fg"]
    assert await _cells(session, node, "2") == ["ijkl"]
    assert await _cells(session, node, "0:1,4:5") == "BadIndexRangeNoData"


async def test_a_part_of_a_text_is_written(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 5.11.4.2: a String is written like an array of its letters.
    node = room.test("Static/String")
    assert await write(session, node, plain("fieldloom", V.String)) == "Good"
    assert await write(session, node, plain("FIELD", V.String), "0:4") == "Good"
    assert await _cells(session, node) == "FIELDloom"
    assert await write(session, node, plain("X", V.String), "0:4") == "BadIndexRangeDataMismatch"
    assert await _cells(session, node) == "FIELDloom"


async def test_a_variable_of_any_type_takes_any_type(room: Room, session: RawSession) -> None:
    # OPC 10000-3, 5.6.2: DataType BaseDataType.
    node = room.test("Static/Variant")
    for content, kind in ((1, V.Int32), (2.5, V.Double), ("text", V.String), (True, V.Boolean)):
        assert await write(session, node, plain(content, kind)) == "Good"
        found = (await read(session, node)).Value
        assert (found.Value, found.VariantType) == (content, kind)
