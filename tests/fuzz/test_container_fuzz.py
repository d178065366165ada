"""Whatever bytes come, a package is read whole or refused with a PackageError; nothing else gets out."""

from __future__ import annotations

import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from server.fdi.archive import ContainerLimits
from server.fdi.build import check_package
from server.fdi.container import Container
from server.fdi.errors import PackageError
from tests.kit.packages import Item, container, make_package, raw_zip

VALID = make_package()
SMALL = ContainerLimits(max_bytes=200_000, max_unpacked_bytes=400_000, max_part_bytes=200_000, max_parts=50)


def read(data: bytes) -> Container | None:
    try:
        return Container.read(data, SMALL)
    except PackageError as error:
        assert error.rule
        assert error.rule in error.text
        return None


@given(st.binary(max_size=400))
def test_random_bytes(data: bytes) -> None:
    read(data)


@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=300)
def test_a_package_with_bytes_changed(changes: list[tuple[int, int]]) -> None:
    data = bytearray(VALID)
    for place, value in changes:
        data[place] = value
    read(bytes(data))


@given(st.integers(0, len(VALID)), st.integers(0, len(VALID)), st.binary(max_size=40))
@settings(max_examples=200)
def test_a_package_with_a_piece_replaced(start: int, end: int, piece: bytes) -> None:
    first, last = min(start, end), max(start, end)
    read(VALID[:first] + piece + VALID[last:])


@given(
    st.lists(
        st.builds(
            Item,
            name=st.text(min_size=1, max_size=30),
            data=st.binary(max_size=200),
            method=st.sampled_from([0, 8]),
            mode=st.sampled_from([0, 0o100644, 0o120777, 0o040755]),
            size=st.none() | st.integers(0, 2**32 - 1),
            crc=st.none() | st.integers(0, 2**32 - 1),
        ),
        max_size=5,
    )
)
def test_archives_that_lie(items: list[Item]) -> None:
    whole = read(container(*items))
    if whole is None:
        return
    # What was taken is what the items really held, under names that stay inside.
    truth = {zlib.crc32(item.data) for item in items}
    for part in whole.parts.values():
        assert zlib.crc32(part.data) in truth
        assert part.name.startswith("/")
        assert ".." not in part.name.split("/")
        assert "\\" not in part.name


@given(st.binary(max_size=300))
def test_any_bytes_as_content_types(text: bytes) -> None:
    read(raw_zip([Item(name="[Content_Types].xml", data=text)]))


@given(st.sampled_from(["edd", "binding"]), st.text(max_size=300))
@settings(max_examples=150)
def test_any_text_as_edd_or_binding(kind: str, text: str) -> None:
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    data = make_package(edd=encodable) if kind == "edd" else make_package(binding=encodable)
    try:
        check_package(data, SMALL)
    except PackageError as error:
        assert error.part
