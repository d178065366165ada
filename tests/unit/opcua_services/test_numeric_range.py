"""NumericRange: syntax, parts read, parts written (OPC 10000-4 v1.05 §7.27)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from server.opcua.services.numeric_range import RangeError, cut, parse_range, replaced

V = ua.VariantType
S = ua.StatusCodes
MATRIX = [[1, 2, 3], [4, 5, 6]]


def int32(value: Any) -> ua.Variant:
    return ua.Variant(value, V.Int32)


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("0", [(0, 0)]),
        ("6", [(6, 6)]),
        ("1:3", [(1, 3)]),
        ("1:3,0:1", [(1, 3), (0, 1)]),
        ("2,0:1", [(2, 2), (0, 1)]),
    ],
)
def test_a_range_names_both_ends_of_each_dimension(text: str, bounds: list[tuple[int, int]]) -> None:
    assert parse_range(text) == bounds


@pytest.mark.parametrize(
    "text", ["abc", "3:1", "2:2", "-1", "1:", ":1", "1,", ",", "1 :2", "1:2:3", "٣", "1.0", "1\n", "0" * 300]
)
def test_anything_else_is_no_range(text: str) -> None:
    # The lower bound must be less than the upper one; digits are ASCII digits.
    assert parse_range(text) is None


@pytest.mark.parametrize(
    ("value", "text", "part"),
    [
        ([0, 1, 2, 3], "1:2", [1, 2]),
        ([0, 1, 2, 3], "2", [2]),
        ([0, 1, 2, 3], "2:9", [2, 3]),  # partly outside: what exists
        ([0, 1, 2, 3], "4:9", None),
        ([0, 1, 2, 3], "0:1,0:1", None),
        (MATRIX, "0:1,1:2", [[2, 3], [5, 6]]),
        (MATRIX, "1,0:9", [[4, 5, 6]]),
        (MATRIX, "0:1", None),  # every dimension must be named
        (MATRIX, "2:3,0", None),
        (MATRIX, "0,3", None),
        (7, "0", None),
        ([], "0", None),
        (None, "0", None),
    ],
)
def test_the_part_that_exists_is_cut_out_of_numbers(value: Any, text: str, part: Any) -> None:
    held = ua.Variant(value, V.Int32, is_array=isinstance(value, list) or value is None)
    found = cut(held, parse_range(text) or [])
    assert (found.Value if found is not None else None) == part


def test_a_cut_matrix_tells_its_own_dimensions() -> None:
    found = cut(int32(MATRIX), [(0, 1), (1, 2)])
    assert found is not None
    assert (found.Dimensions, found.is_array) == ([2, 2], True)


@pytest.mark.parametrize(
    ("value", "kind", "text", "part"),
    [
        ("abcdef", V.String, "1:2", "bc"),
        ("abcdef", V.String, "4:20", "ef"),
        ("abcdef", V.String, "6", None),
        ("abcdef", V.String, "0,0", None),
        (b"\x00\x01\x02", V.ByteString, "1", b"\x01"),
        (["abc", "defg"], V.String, "0:1,1:2", ["bc", "ef"]),
        (["abc", "defg", None], V.String, "0:2,3", ["", "g", None]),  # neighbours keep their places
        (["abc", "defg"], V.String, "0:1,4", None),
        (["abc", "defg"], V.String, "1", ["defg"]),
        ([b"ab", b"cd"], V.ByteString, "1,0", [b"c"]),
    ],
)
def test_strings_and_byte_strings_have_parts_too(value: Any, kind: ua.VariantType, text: str, part: Any) -> None:
    found = cut(ua.Variant(value, kind), parse_range(text) or [])
    assert (found.Value if found is not None else None) == part


@pytest.mark.parametrize(
    ("value", "kind", "text", "given", "whole"),
    [
        ([0, 1, 2, 3], V.Int32, "1:2", [8, 9], [0, 8, 9, 3]),
        ([0, 1, 2, 3], V.Int32, "3", [9], [0, 1, 2, 9]),
        (MATRIX, V.Int32, "0:1,1", [[8], [9]], [[1, 8, 3], [4, 9, 6]]),
        ("abcdef", V.String, "1:2", "XY", "aXYdef"),
        (b"abcd", V.ByteString, "0:1", b"XY", b"XYcd"),
        (["abc", "def"], V.String, "0:1,1", ["X", "Y"], ["aXc", "dYf"]),
    ],
)
def test_a_part_is_replaced_and_the_rest_stays(
    value: Any, kind: ua.VariantType, text: str, given: Any, whole: Any
) -> None:
    held = ua.Variant(value, kind)
    assert replaced(held, ua.Variant(given, kind), parse_range(text) or []).Value == whole
    assert held.Value == value


@pytest.mark.parametrize(
    ("value", "text", "given", "code"),
    [
        ([0, 1, 2], "1:2", int32([9]), S.BadIndexRangeDataMismatch),
        ([0, 1, 2], "1:2", int32([9, 9, 9]), S.BadIndexRangeDataMismatch),
        ([0, 1, 2], "2:3", int32([9, 9]), S.BadIndexRangeNoData),
        ([0, 1, 2], "0:1,0", int32([[9], [9]]), S.BadIndexRangeNoData),
        ([0, 1, 2], "1", int32(9), S.BadTypeMismatch),
        ([0, 1, 2], "1", ua.Variant([9], V.Int16), S.BadTypeMismatch),
        ([0, 1, 2], "1", ua.Variant(), S.BadTypeMismatch),
        (MATRIX, "0:1,1", int32([[9]]), S.BadIndexRangeDataMismatch),
        (MATRIX, "0:1,1", int32([9, 9]), S.BadTypeMismatch),
        (7, "0", int32([7]), S.BadIndexRangeNoData),
    ],
)
def test_a_part_that_does_not_fit_changes_nothing(value: Any, text: str, given: ua.Variant, code: int) -> None:
    with pytest.raises(RangeError) as refused:
        replaced(int32(value), given, parse_range(text) or [])
    assert refused.value.code == code


def test_a_byte_string_is_taken_for_bytes_of_an_array() -> None:
    held = ua.Variant([1, 2, 3], V.Byte)
    assert replaced(held, ua.Variant(b"\x08\x09", V.ByteString), [(0, 1)]).Value == [8, 9, 3]
