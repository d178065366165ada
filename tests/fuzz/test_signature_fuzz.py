"""Whatever is done to a signed package, it is never Valid with other content, and nothing but a state comes out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.fdi.signature.result import SignatureState
from tests.fuzz.container_cases import one_catalog_case, one_container_case, one_part_case, one_signature_case, valid
from tests.kit.packages import members
from tests.kit.signing import SIGNATURE
from tests.unit.fdi.test_catalog import SHEET

# The library warns of certificates that are odd (a serial number of 0, say); they are refused or judged all the same.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

ITEMS = members(valid())
PARTS = ("catalog.xml", "edd/device.ddl", "protocol/mqtt.toml")
XML_PIECES = st.sampled_from(
    [
        b"",
        b"<",
        b"/>",
        b"<Object/>",
        b'<Object Id="idPackageObject"/>',
        b"<Reference/>",
        b"<Transforms/>",
        b"<Manifest>",
        b'Algorithm="x"',
        b'Id="a" Id="a"',
        b"&amp;",
        b"&#0;",
        b"<!-- -->",
        b"<?x?>",
        b"\xff\xfe",
        b"AAAA",
    ]
)


def spliced(base: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    data = base
    for start, length, piece in cuts:
        place = start % (len(data) + 1)
        data = data[:place] + piece + data[place + length :]
    return data


CUTS = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 60), XML_PIECES | st.binary(max_size=8)), max_size=4)


@given(st.sampled_from(PARTS), CUTS)
@settings(max_examples=150, deadline=None)
def test_a_changed_part_is_never_valid(name: str, cuts: list[tuple[int, int, bytes]]) -> None:
    data = spliced(ITEMS[name], cuts)
    report = one_part_case(name, data)
    if data != ITEMS[name]:
        assert report is None or report.state in (SignatureState.INVALID, SignatureState.PARTIALLY_SIGNED)


@given(CUTS)
@settings(max_examples=300, deadline=None)
def test_a_changed_signature_gives_a_state(cuts: list[tuple[int, int, bytes]]) -> None:
    one_signature_case(spliced(ITEMS[SIGNATURE], cuts))


@given(st.sampled_from(["_rels/.rels", "_rels/catalog.xml.rels", "[Content_Types].xml"]), CUTS)
@settings(max_examples=150, deadline=None)
def test_changed_relationships_and_types_give_a_state(name: str, cuts: list[tuple[int, int, bytes]]) -> None:
    one_part_case(name, spliced(ITEMS[name], cuts))


@given(CUTS)
@settings(max_examples=150, deadline=None)
def test_a_changed_archive_gives_findings(cuts: list[tuple[int, int, bytes]]) -> None:
    one_container_case(spliced(valid(), cuts))


@given(CUTS)
@settings(max_examples=150, deadline=None)
def test_a_changed_catalog_is_read_or_refused(cuts: list[tuple[int, int, bytes]]) -> None:
    one_catalog_case(spliced(SHEET.encode(), cuts))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes(data: bytes) -> None:
    one_catalog_case(data)
    one_signature_case(data)
    one_container_case(data)
