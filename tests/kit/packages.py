"""Small FDI Packages made from strings, and ZIP archives that lie."""

from __future__ import annotations

import io
import struct
import uuid
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.fdi.build import assemble

NAMESPACE = uuid.UUID("c313c606-98ff-4e1e-a135-2883a5ab859f")

CATALOG = """
[package]
id = "{package_id}"
version = "{version}"
manufacturer = "Test Works"

[device_type]
name = {{ en = "Thing {type_id}", ru = "Вещь {type_id}" }}
edd = "device.ddl"
binding = "mqtt.toml"
{more}
[device_type.interface]
manufacturer = "0x7777"
device_model = "0x0001"
"""

EDD = """
MANUFACTURER 0x7777, DEVICE_TYPE 0x0001, DEVICE_REVISION 1, DD_REVISION 1

VARIABLE level
{
    LABEL "|en|Level|ru|Уровень";
    HELP "How full it is.";
    CLASS DYNAMIC;
    HANDLING READ;
    CONSTANT_UNIT "%";
    TYPE DOUBLE { MIN_VALUE 0.0; MAX_VALUE 100.0; }
}
VARIABLE count
{
    LABEL "Count";
    CLASS DYNAMIC;
    HANDLING READ;
    TYPE UNSIGNED_INTEGER (4);
}
VARIABLE state
{
    LABEL "State";
    CLASS DYNAMIC;
    HANDLING READ;
    TYPE ENUMERATED { { 0, "|en|Idle|ru|Покой" }, { 1, "Busy" }, { 2, "Tripped" } }
}
VARIABLE level_high
{
    LABEL "High level";
    CLASS ALARM;
    HANDLING READ & WRITE;
    CONSTANT_UNIT "%";
    TYPE DOUBLE { DEFAULT_VALUE 80.0; MIN_VALUE 0.0; MAX_VALUE 100.0; }
}
COLLECTION OF VARIABLE alarm_level { LABEL "Level high"; MEMBERS { INPUT, level; HIGH, level_high; } }
MENU process_variables_root_menu { LABEL "Values"; ITEMS { level, count, state } }
"""

BINDING = """
type = "{type_id}"

[silence]
uncertain_after_s = 5
bad_after_s = 30

[[message]]
topic = "{topic}"
time = "/time"

[message.parameters]
level = "/level"
count = "/count"
state = "/state"
level_high = "/level_high"

[commands]
topic = "{base}/command"
response = "{base}/response"

[[command]]
name = "reset"
method = "Reset"

[[command]]
name = "set_threshold"
method = "SetThreshold"
writes = "parameter"
arguments = [
    {{ name = "Name", param = "name", type = "String" }},
    {{ name = "Value", param = "value", type = "Double" }},
]
"""


def package_files(
    type_id: str = "test_thing",
    *,
    package_id: str | None = None,
    version: str = "1.0.0",
    topic: str = "",
    edd: str = EDD,
    binding: str | None = None,
    more: str = "",
) -> dict[str, bytes]:
    """The source files of a small package; the id is made from the type id when none is given."""
    topic = topic or "things/{device}/telemetry"
    identifier = package_id or str(uuid.uuid5(NAMESPACE, type_id))
    text = (
        binding if binding is not None else BINDING.format(type_id=type_id, topic=topic, base=topic.rpartition("/")[0])
    )
    return {
        "catalog.toml": CATALOG.format(package_id=identifier, version=version, type_id=type_id, more=more).encode(),
        "device.ddl": edd.encode(),
        "mqtt.toml": text.encode(),
    }


def make_package(
    type_id: str = "test_thing",
    *,
    package_id: str | None = None,
    version: str = "1.0.0",
    topic: str = "",
    edd: str = EDD,
    binding: str | None = None,
    more: str = "",
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """A package as bytes; not checked, so broken EDDs and bindings get through to the test.

    By default: `level` (%, 0 to 100), `count`, `state`, writable `level_high` (80), a limit alarm on `level`, commands
    reset and set_threshold. Messages on `things/{device}/telemetry` look like
    `{"time": "2026-01-05T08:00:00Z", "level": 41.5, "count": 3, "state": 1}`.
    """
    sources = package_files(
        type_id, package_id=package_id, version=version, topic=topic, edd=edd, binding=binding, more=more
    )
    return assemble({**sources, **(files or {})})[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One ZIP item; every header field can be a lie."""

    name: str
    data: bytes = b""
    method: int = 8
    flags: int = 0
    mode: int = 0o100644
    size: int | None = None  # claimed unpacked size
    packed_size: int | None = None
    crc: int | None = None
    packed: bytes | None = None  # instead of the compressed data
    local_name: str | None = None
    local_flags: int | None = None


def raw_zip(items: Sequence[Item], *, prefix: bytes = b"", count: int | None = None, comment: bytes = b"") -> bytes:
    """A ZIP archive written by hand."""
    body = bytearray(prefix)
    directory = bytearray()
    for item in items:
        packed = item.packed
        if packed is None:
            packed = deflate(item.data) if item.method == 8 else item.data
        crc = zlib.crc32(item.data) if item.crc is None else item.crc
        size = len(item.data) if item.size is None else item.size
        packed_size = len(packed) if item.packed_size is None else item.packed_size
        name = item.name.encode()
        flags = item.flags | (0 if name.isascii() else 0x800)
        local_name = (item.local_name or item.name).encode()
        offset = len(body)
        local_flags = flags if item.local_flags is None else item.local_flags
        body += struct.pack(
            "<4s5H3I2H", b"PK\3\4", 20, local_flags, item.method, 0, 33, crc, packed_size, size, len(local_name), 0
        )
        body += local_name + packed
        directory += struct.pack(
            "<4s6H3I5H2I", b"PK\1\2", 0x0314, 20, flags, item.method, 0, 33, crc, packed_size, size,
            len(name), 0, 0, 0, 0, item.mode << 16, offset,
        )  # fmt: skip
        directory += name
    number = len(items) if count is None else count
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, number, number, len(directory), len(body), len(comment))
    return bytes(body + directory + end + comment)


def deflate(data: bytes) -> bytes:
    """Raw deflated data."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def members(data: bytes) -> dict[str, bytes]:
    """The items of a package by name, as Python's own reader finds them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(items: Mapping[str, bytes]) -> bytes:
    """A package made of items by name, without any check."""
    return raw_zip([Item(name=name, data=data) for name, data in items.items()])


CONTENT_TYPES = (
    b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    b'<Default Extension="xml" ContentType="text/xml"/><Default Extension="txt" ContentType="text/plain"/></Types>'
)


def container(*items: Item, content_types: bytes = CONTENT_TYPES) -> bytes:
    """An archive with content types and the items given."""
    return raw_zip([Item(name="[Content_Types].xml", data=content_types), *items])
