"""The container is the first door for strangers' bytes: every rule of the format and every limit is crossed here."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from server.fdi.archive import ContainerLimits
from server.fdi.container import Container, Part, Relationship
from server.fdi.errors import PackageError
from server.fdi.writer import write_container
from server.fdi.xml_reader import XmlLimits, read_xml
from tests.kit.packages import CONTENT_TYPES, Item, container, deflate, make_package, raw_zip

RELS = b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">%s</Relationships>'


def refused(data: bytes, limits: ContainerLimits | None = None) -> PackageError:
    with pytest.raises(PackageError) as caught:
        Container.read(data, limits or ContainerLimits())
    return caught.value


def rels(entry: bytes) -> bytes:
    return container(Item(name="a.txt", data=b"x"), Item(name="_rels/.rels", data=RELS % entry))


def test_a_part_is_found_without_regard_to_case() -> None:
    whole = Container.read(container(Item(name="Doc/Manual.txt", data=b"read me")))
    part = whole.part("/doc/MANUAL.TXT")
    assert part == Part("/Doc/Manual.txt", "text/plain", b"read me")


def test_folder_entries_are_no_parts() -> None:
    whole = Container.read(container(Item(name="doc/", method=0, mode=0o040755), Item(name="doc/a.txt", data=b"x")))
    assert {part.name for part in whole.parts.values()} == {"/doc/a.txt"}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("../evil.txt", "opc.escape"),
        ("doc/../../evil.txt", "opc.escape"),
        ("doc/%2e%2E/evil.txt", "opc.escape"),
        ("/etc/evil.txt", "opc.escape"),
        ("C:/evil.txt", "opc.escape"),
        ("c:evil.txt", "opc.escape"),
        ("doc\\evil.txt", "opc.escape"),
        ("doc//evil.txt", "opc.part-name"),
        ("./evil.txt", "opc.part-name"),
        ("doc/evil.", "opc.part-name"),
        ("doc/e%2Fvil.txt", "opc.part-name"),
        ("doc/e%5cvil.txt", "opc.part-name"),
        ("doc/%41.txt", "opc.part-name"),
        ("doc/100%.txt", "opc.part-name"),
        ("doc/a?b.txt", "opc.part-name"),
        ("doc/a#b.txt", "opc.part-name"),
        ("doc/nul\0.txt", "opc.part-name"),
        ("a" * 300 + ".txt", "opc.part-name"),
        ("/".join("d" * 20) + "/x.txt", "opc.depth"),
        ("doc/a.txt/[0].piece", "opc.interleaved"),
        ("doc/a.txt/[1].LAST.PIECE", "opc.interleaved"),
    ],
)
def test_a_name_that_is_no_part_name_is_refused(name: str, rule: str) -> None:
    error = refused(container(Item(name=name, data=b"x")))
    assert error.rule == rule
    assert error.part


def test_folder_entries_may_not_climb_out_either() -> None:
    assert refused(container(Item(name="../", method=0, mode=0o040755))).rule == "opc.escape"


def test_two_names_that_differ_by_case_are_refused() -> None:
    data = container(Item(name="doc/a.txt", data=b"1"), Item(name="DOC/A.TXT", data=b"2"))
    assert refused(data).rule == "opc.duplicate"


def test_the_same_name_twice_is_refused() -> None:
    data = container(Item(name="a.txt", data=b"1"), Item(name="a.txt", data=b"1"))
    assert refused(data).rule == "opc.duplicate"


def test_a_name_derived_from_another_part_is_refused() -> None:
    data = container(Item(name="a.txt", data=b"1"), Item(name="a.txt/b/c.txt", data=b"2"))
    assert refused(data).rule == "opc.derived"


@pytest.mark.parametrize("mode", [0o120777, 0o010644, 0o060644])
def test_links_and_special_files_are_refused(mode: int) -> None:
    assert refused(container(Item(name="a.txt", data=b"/etc/passwd", mode=mode))).rule == "zip.link"


@pytest.mark.parametrize("flags", [0x0001, 0x0041, 0x2000])
def test_encrypted_items_are_refused(flags: int) -> None:
    assert refused(container(Item(name="a.txt", data=b"x", flags=flags))).rule == "zip.encrypted"


def test_encryption_told_only_by_the_item_itself_is_refused() -> None:
    assert refused(container(Item(name="a.txt", data=b"x", local_flags=1))).rule == "zip.encrypted"


@pytest.mark.parametrize("method", [1, 6, 9, 12, 14, 93, 95, 99])
def test_other_compression_methods_are_refused(method: int) -> None:
    assert refused(container(Item(name="a.txt", data=b"x", method=method))).rule == "zip.method"


def test_a_zip_bomb_is_refused_by_its_ratio() -> None:
    # 10 MB of zeros deflate to about 10 kB: a thousand to one.
    assert refused(container(Item(name="a.txt", data=bytes(10_000_000)))).rule == "zip.ratio"


def test_a_bomb_that_hides_its_size_is_stopped_at_the_size_it_claims() -> None:
    packed = deflate(bytes(50_000_000))
    data = container(Item(name="a.txt", packed=packed, size=1_000, crc=zlib.crc32(bytes(1_000))))
    assert refused(data).rule == "zip.sizes"


def test_an_item_that_claims_more_than_it_holds_is_refused() -> None:
    assert refused(container(Item(name="a.txt", data=b"short", size=6))).rule == "zip.sizes"
    assert refused(container(Item(name="a.txt", data=b"short", method=0, size=4))).rule == "zip.sizes"


def test_data_behind_the_compressed_data_is_refused() -> None:
    assert refused(container(Item(name="a.txt", data=b"x", packed=deflate(b"x") + b"more"))).rule == "zip.sizes"


def test_compressed_data_that_is_cut_short_is_refused() -> None:
    text = bytes(range(256)) * 8
    packed = deflate(text)
    assert refused(container(Item(name="a.txt", data=text, packed=packed[:-4]))).rule == "zip.sizes"


def test_damaged_data_is_refused() -> None:
    assert refused(container(Item(name="a.txt", data=b"x", crc=1))).rule == "zip.damaged"
    assert refused(container(Item(name="a.txt", packed=b"\xff\xff\xff", size=3))).rule == "zip.damaged"


def test_the_sum_of_all_parts_is_limited() -> None:
    text = bytes(range(256)) * 4
    items = [Item(name=f"{n}.txt", data=text, method=0) for n in range(5)]
    fits = ContainerLimits(max_unpacked_bytes=5 * 1024 + len(CONTENT_TYPES))
    assert len(Container.read(container(*items), fits).parts) == 5
    small = ContainerLimits(max_unpacked_bytes=5 * 1024 + len(CONTENT_TYPES) - 1)
    assert refused(container(*items), small).rule == "zip.unpacked-size"


def test_one_part_is_limited() -> None:
    data = container(Item(name="a.txt", data=b"x" * 2_000, method=0))
    assert refused(data, ContainerLimits(max_part_bytes=1_999)).rule == "zip.unpacked-size"


def test_the_number_of_items_is_limited_by_what_the_archive_claims() -> None:
    items = [Item(name=f"{n}.txt") for n in range(10)]
    assert refused(container(*items), ContainerLimits(max_parts=10)).rule == "zip.count"
    assert refused(raw_zip(items, count=60_000)).rule == "zip.count"


def test_a_count_that_is_wrong_is_refused() -> None:
    items = [Item(name="[Content_Types].xml", data=CONTENT_TYPES), Item(name="a.txt", data=b"x")]
    assert refused(raw_zip(items, count=1)).rule == "zip.structure"
    assert refused(raw_zip(items, count=3)).rule == "zip.structure"


def test_the_file_is_limited() -> None:
    data = container(Item(name="a.txt", data=b"x"))
    assert refused(data, ContainerLimits(max_bytes=len(data) - 1)).rule == "zip.size"


def test_bytes_before_the_archive_are_refused() -> None:
    # A file that is two things at once would be judged by us as one and by somebody else as the other.
    assert refused(raw_zip([Item(name="[Content_Types].xml", data=CONTENT_TYPES)], prefix=b"#!/bin/sh\n")).rule == (
        "zip.structure"
    )


def test_directory_and_item_must_name_the_same() -> None:
    assert refused(container(Item(name="a.txt", data=b"x", local_name="b.txt"))).rule == "zip.structure"


def test_bytes_between_or_behind_the_items_are_refused() -> None:
    # Another reader that scans for local headers would find there what this one does not see.
    first, second = Item(name="[Content_Types].xml", data=CONTENT_TYPES), Item(name="a.txt", data=b"x", method=0)
    whole = raw_zip([first, second])
    directory = whole.index(b"PK\1\2")
    for place in (whole.rindex(b"PK\3\4"), directory):
        data = bytearray(whole[:place] + b"hidden" + whole[place:])
        start = data.index(b"PK\1\2")
        end = data.rindex(b"PK\5\6")
        struct.pack_into("<I", data, end + 16, start)
        if place != directory:
            entry = data.rindex(b"PK\1\2")
            struct.pack_into("<I", data, entry + 42, data.rindex(b"PK\3\4"))
        assert refused(bytes(data)).rule == "zip.structure"


def test_a_data_descriptor_may_stand_behind_an_item() -> None:
    # Flag bit 3: sizes and checksum follow the data, as streaming packers write it.
    buffer = io.BytesIO()

    class Stream(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            return buffer.write(data)

    with zipfile.ZipFile(Stream(), "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        archive.writestr("[Content_Types].xml", CONTENT_TYPES)
        archive.writestr("a.txt", b"streamed")
    part = Container.read(buffer.getvalue()).part("/a.txt")
    assert part is not None
    assert part.data == b"streamed"


@pytest.mark.parametrize("field", [14, 18, 22], ids=["checksum", "packed", "unpacked"])
def test_directory_and_item_must_tell_the_same_sizes(field: int) -> None:
    data = bytearray(raw_zip([Item(name="[Content_Types].xml", data=CONTENT_TYPES)]))
    data[field] ^= 1
    error = refused(bytes(data))
    assert (error.rule, error.part) == ("zip.structure", "[Content_Types].xml")


def test_overlapping_items_are_refused() -> None:
    # Two directory entries share one item's bytes: the trick of bombs that need no nesting.
    data = bytearray(container(Item(name="a.txt", data=b"x", method=0), Item(name="b.txt", data=b"x", method=0)))
    second = data.rfind(b"PK\1\2")
    first = data.rfind(b"PK\1\2", 0, second)
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    data[second + 46 : second + 51] = b"a.txt"
    assert refused(bytes(data)).rule == "zip.overlap"


def test_zip64_is_refused() -> None:
    data = bytearray(container(Item(name="a.txt", data=b"x")))
    entry = data.rfind(b"PK\1\2")
    struct.pack_into("<I", data, entry + 24, 0xFFFFFFFF)
    assert refused(bytes(data)).rule == "zip.zip64"


@pytest.mark.parametrize("data", [b"", b"PK\5\6", b"not a zip", b"PK\3\4" + bytes(100), bytes(22)])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    assert refused(data).rule == "zip.structure"


def test_every_truncation_is_refused() -> None:
    data = make_package()
    for length in range(0, len(data), 97):
        refused(data[:length])
    refused(data[:-1])


def test_content_types_must_be_there() -> None:
    assert refused(raw_zip([Item(name="a.txt", data=b"x")])).rule == "opc.content-types"


def test_a_part_without_content_type_is_refused() -> None:
    error = refused(container(Item(name="a.exe", data=b"MZ")))
    assert (error.rule, error.part) == ("opc.content-type", "/a.exe")


@pytest.mark.parametrize(
    "content_types",
    [
        b"<Types/>",
        CONTENT_TYPES.replace(b"text/plain", b"plain"),
        CONTENT_TYPES.replace(b'Extension="xml"', b'Extension="TXT"'),
        CONTENT_TYPES.replace(b"<Default Ext", b"<Other Ext", 1),
    ],
)
def test_wrong_content_types_are_refused(content_types: bytes) -> None:
    assert refused(container(Item(name="a.txt"), content_types=content_types)).rule == "opc.content-types"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE Types SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE Types [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE Types [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>',
        '<!DOCTYPE Types [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x.dtd"> %p;]>',
    ],
)
def test_document_types_and_entities_are_refused_before_anything_is_expanded(doctype: str, encoding: str) -> None:
    text = doctype + CONTENT_TYPES.decode()
    error = refused(container(Item(name="a.txt"), content_types=text.encode(encoding)))
    assert (error.rule, error.part, error.line) == ("xml.dtd", "[Content_Types].xml", 1)


def test_xml_nested_too_deep_is_refused() -> None:
    error = refused(container(content_types=b"<a>" * 65 + b"</a>" * 65))
    assert error.rule == "xml.depth"


@pytest.mark.parametrize("word", ["a{}='1'", "xmlns:a{}='urn:{}'"], ids=["attributes", "namespaces"])
def test_an_element_with_too_many_attributes_or_namespaces_is_refused(word: str) -> None:
    """Two thousand of them in 20 KB kept a schema check busy for half a minute."""

    def types(count: int) -> bytes:
        more = " ".join(word.format(number, number) for number in range(count))
        return CONTENT_TYPES.replace(b"<Types ", f"<Types {more} ".encode())

    assert refused(container(Item(name="a.txt"), content_types=types(65))).rule == "xml.attributes"
    Container.read(container(Item(name="a.txt"), content_types=types(60)))  # control


def test_namespaces_that_ended_do_not_count() -> None:
    """Siblings may declare as many as they like; what stands in the way of a reader is what holds at one place."""
    one = b"<a:a xmlns:a='urn:a' xmlns:b='urn:b'/>"
    assert read_xml(b"<x>" + one * 200 + b"</x>", part="/x.xml", limits=XmlLimits()).children
    nested = b"".join(b"<x xmlns:a%d='urn:a' xmlns:b%d='urn:b'>" % (number, number) for number in range(40))
    with pytest.raises(PackageError) as caught:
        read_xml(nested, part="/x.xml", limits=XmlLimits())
    assert caught.value.rule == "xml.attributes"


def test_xml_with_too_many_elements_is_refused() -> None:
    limits = ContainerLimits(xml=XmlLimits(max_elements=3))
    assert refused(container(), limits).rule == "xml.count"


def test_xml_that_is_too_large_is_refused() -> None:
    limits = ContainerLimits(xml=XmlLimits(max_bytes=len(CONTENT_TYPES) - 1))
    assert refused(container(), limits).rule == "xml.size"


@pytest.mark.parametrize("text", [b"", b"<a>", b"<a></b>", b"\xff\xfe<", b"<?xml version='1.0' encoding='x-y'?><a/>"])
def test_malformed_xml_is_refused(text: bytes) -> None:
    assert refused(container(content_types=text)).rule in {"xml.syntax", "xml.encoding"}


def test_a_relationship_resolves_against_its_source() -> None:
    data = write_container(
        [Part("/edd/a.ddl", "text/plain", b"x"), Part("/edd/b.dct", "text/plain", b"y")],
        {"/edd/a.ddl": [Relationship("r1", "urn:x:y", "b.dct")]},
    )
    whole = Container.read(data)
    relationship = whole.relationships("/EDD/A.DDL")[0]
    assert whole.follow(relationship, source="/edd/a.ddl").data == b"y"


def test_an_external_target_is_kept_but_never_followed() -> None:
    whole = Container.read(rels(b'<Relationship Id="r1" Type="a:b" Target="http://h/x" TargetMode="External"/>'))
    with pytest.raises(PackageError) as caught:
        whole.follow(whole.relationships()[0], source="/")
    assert caught.value.rule == "opc.external"


def test_a_relationship_to_nowhere_is_refused_when_followed() -> None:
    whole = Container.read(rels(b'<Relationship Id="r1" Type="a:b" Target="missing.txt"/>'))
    with pytest.raises(PackageError) as caught:
        whole.follow(whole.relationships()[0], source="/")
    assert caught.value.rule == "opc.target"


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        (b'<Relationship Id="r1" Type="a:b" Target="../a.txt"/>', "opc.escape"),
        (b'<Relationship Id="r1" Type="a:b" Target="file:///etc/passwd"/>', "opc.target"),
        (b'<Relationship Id="r1" Type="a:b" Target="//host/a.txt"/>', "opc.target"),
        (b'<Relationship Id="r1" Type="a:b" Target="/_rels/.rels"/>', "opc.relationships"),
        (b'<Relationship Id="1 1" Type="a:b" Target="a.txt"/>', "opc.relationships"),
        (b'<Relationship Id="r1" Type="relative" Target="a.txt"/>', "opc.relationships"),
        (b'<Relationship Id="r1" Type="a:b"/>', "opc.relationships"),
        (b'<Relationship Id="r1" Type="a:b" Target="a.txt" TargetMode="Sideways"/>', "opc.relationships"),
        (b'<Relationship Id="r1" Type="a:b" Target="a.txt"/><Relationship Id="r1" Type="a:b" Target="a.txt"/>',
         "opc.relationships"),
    ],
)  # fmt: skip
def test_wrong_relationships_are_refused(entry: bytes, rule: str) -> None:
    error = refused(rels(entry))
    assert (error.rule, error.part) == (rule, "/_rels/.rels")


def test_the_digest_does_not_depend_on_compression_or_order() -> None:
    one = container(Item(name="a.txt", data=b"x"), Item(name="b.txt", data=b"y", method=0))
    other = container(Item(name="b.txt", data=b"y"), Item(name="a.txt", data=b"x", method=0))
    changed = container(Item(name="a.txt", data=b"x"), Item(name="b.txt", data=b"z"))
    assert Container.read(one).digest == Container.read(other).digest
    assert Container.read(one).digest != Container.read(changed).digest


def test_writing_the_same_parts_gives_the_same_bytes() -> None:
    parts = [Part("/b.txt", "text/plain", b"b"), Part("/a.txt", "text/plain", b"a" * 1000)]
    relationships = {"/": [Relationship("r1", "a:b", "/a.txt"), Relationship("r2", "a:c", "http://h/", external=True)]}
    first = write_container(parts, relationships)
    assert first == write_container(parts[::-1], relationships)
    whole = Container.read(first)
    assert [(entry.id, entry.target, entry.external) for entry in whole.relationships()] == [
        ("r1", "/a.txt", False),
        ("r2", "http://h/", True),
    ]
