"""The ZIP under a package, read without trusting one number in it.

Stored and deflated items only; no encryption, links, ZIP64, several volumes, overlapping items or bytes before the
first item, between items or behind the archive. Sizes are limits while unpacking, not facts.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import NamedTuple

from server.fdi.errors import PackageError
from server.fdi.xml_reader import XmlLimits

_END = struct.Struct("<4s4H2IH")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_MAX_COMMENT = 0xFFFF
_FLAGS_ENCRYPTED = 0x0001 | 0x0040 | 0x2000  # encrypted, strongly encrypted, masked local header
_FLAG_PATCH = 0x0020
_FLAG_DESCRIPTOR = 0x0008  # sizes and checksum stand behind the data, not in the local header
_DESCRIPTOR_BYTES = 16
_FLAG_UTF8 = 0x0800
_UNIX_SYSTEMS = (3, 19)  # "made by" codes whose upper attribute half is a Unix mode
_STORED, _DEFLATED = 0, 8
RATIO_FREE_BYTES = 64 * 1024
"""Below this unpacked size the ratio is not judged: short texts of one letter compress very well."""


@dataclass(frozen=True, slots=True)
class ContainerLimits:
    """What a package may cost before it is refused."""

    max_bytes: int = 32 * 1024 * 1024  # the file
    max_unpacked_bytes: int = 128 * 1024 * 1024  # all items together
    max_part_bytes: int = 64 * 1024 * 1024  # one item
    max_ratio: int = 200  # unpacked to packed, per item
    max_parts: int = 1_000  # items, folders included
    xml: XmlLimits = field(default_factory=XmlLimits)


DEFAULT_LIMITS = ContainerLimits()


class _Range(NamedTuple):
    start: int
    end: int
    slack: int  # bytes that may stand behind it
    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """One ZIP item: where its packed bytes stand and what it claims to be."""

    name: str
    method: int
    crc: int
    packed: int
    unpacked: int
    start: int

    @property
    def folder(self) -> bool:
        """True for an entry that only names a folder."""
        return self.name.endswith("/")


def read_items(data: bytes, limits: ContainerLimits) -> list[Item]:
    """The items of the archive, in directory order; nothing is unpacked yet.

    Raises:
        PackageError: not a whole ZIP file, or one of a kind that is not allowed.
    """
    if len(data) > limits.max_bytes:
        raise PackageError(f"{len(data)} bytes, at most {limits.max_bytes}", rule="zip.size")
    directory, count, size = _find_directory(data)
    if count > limits.max_parts:
        raise PackageError(f"{count} items, at most {limits.max_parts}", rule="zip.count")
    items: list[Item] = []
    ranges: list[_Range] = []
    position, end = directory, directory + size
    for _ in range(count):
        if position + _CENTRAL.size > end:
            raise PackageError("the directory of the archive is cut short", rule="zip.structure")
        fields = _CENTRAL.unpack_from(data, position)
        signature, made_by, _, flags, method, _, _, crc, packed, unpacked = fields[:10]
        name_size, extra_size, comment_size, disk, _, attributes, offset = fields[10:]
        if signature != b"PK\x01\x02":
            raise PackageError("the directory of the archive is damaged", rule="zip.structure")
        name_start = position + _CENTRAL.size
        position = name_start + name_size + extra_size + comment_size
        if position > end:
            raise PackageError("the directory of the archive is cut short", rule="zip.structure")
        raw_name = data[name_start : name_start + name_size]
        name = _decode_name(raw_name, flags)
        _check_kind(name, made_by, flags, method, disk, attributes)
        if 0xFFFFFFFF in (packed, unpacked, offset):
            raise PackageError("ZIP64 is not allowed at this size", part=name, rule="zip.zip64")
        start = _data_start(data, offset, raw_name, method, flags, (crc, packed, unpacked), name)
        if start + packed > directory:
            raise PackageError("the item runs beyond the archive", part=name, rule="zip.structure")
        slack = _DESCRIPTOR_BYTES if flags & _FLAG_DESCRIPTOR else 0
        ranges.append(_Range(offset, start + packed, slack, name))
        items.append(Item(name, method, crc, packed, unpacked, start))
    if position != end:
        raise PackageError("the directory holds more than it counts", rule="zip.structure")
    _check_ranges(ranges, directory)
    return items


def unpack(data: bytes, item: Item, limits: ContainerLimits, remaining: int) -> bytes:
    """The bytes of one item; memory stays below the limits whatever the headers claim.

    Args:
        remaining: unpacked bytes that the whole package may still take.

    Raises:
        PackageError: a limit crossed, or size or checksum differ from what the archive says.
    """
    allowed = min(limits.max_part_bytes, remaining)
    if item.unpacked > allowed:
        raise PackageError(f"unpacks to more than the {allowed} bytes left", part=item.name, rule="zip.unpacked-size")
    if item.unpacked > max(RATIO_FREE_BYTES, item.packed * limits.max_ratio):
        raise PackageError(f"unpacks to more than {limits.max_ratio} times its size", part=item.name, rule="zip.ratio")
    packed = data[item.start : item.start + item.packed]
    if item.method == _STORED:
        content = packed
    else:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            # One byte more than claimed is enough to see that the claim is false.
            content = stream.decompress(packed, item.unpacked + 1)
        except zlib.error as error:
            raise PackageError(f"damaged compressed data: {error}", part=item.name, rule="zip.damaged") from None
        if len(content) <= item.unpacked and (not stream.eof or stream.unused_data):
            raise PackageError("compressed data ends elsewhere than the archive says", part=item.name, rule="zip.sizes")
    if len(content) != item.unpacked:
        raise PackageError(f"is not the {item.unpacked} bytes the archive says", part=item.name, rule="zip.sizes")
    if zlib.crc32(content) != item.crc:
        raise PackageError("checksum does not match", part=item.name, rule="zip.damaged")
    return content


def _find_directory(data: bytes) -> tuple[int, int, int]:
    lowest = max(0, len(data) - _END.size - _MAX_COMMENT)
    position = data.rfind(b"PK\x05\x06", lowest)
    while position >= 0:
        if position + _END.size <= len(data):
            _, disk, start_disk, here, count, size, offset, comment = _END.unpack_from(data, position)
            if position + _END.size + comment == len(data):
                break
        position = data.rfind(b"PK\x05\x06", lowest, position)
    else:
        raise PackageError("not a ZIP archive, or cut short", rule="zip.structure")
    if disk or start_disk or here != count:
        raise PackageError("an archive of several volumes", rule="zip.structure")
    if count == 0xFFFF or 0xFFFFFFFF in (size, offset):
        raise PackageError("ZIP64 is not allowed at this size", rule="zip.zip64")
    if offset + size != position:
        raise PackageError("the directory does not end where the archive says", rule="zip.structure")
    return offset, count, size


def _decode_name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _FLAG_UTF8 else "ascii")
    except UnicodeDecodeError:
        raise PackageError("an item name that is not text", part=ascii(raw)[2:-1], rule="opc.part-name") from None


def _check_kind(name: str, made_by: int, flags: int, method: int, disk: int, attributes: int) -> None:
    if flags & _FLAGS_ENCRYPTED:
        raise PackageError("encrypted items are not allowed", part=name, rule="zip.encrypted")
    if flags & _FLAG_PATCH or method not in (_STORED, _DEFLATED):
        raise PackageError(f"compression method {method}; only stored and deflate", part=name, rule="zip.method")
    if disk:
        raise PackageError("an archive of several volumes", part=name, rule="zip.structure")
    if made_by >> 8 in _UNIX_SYSTEMS:
        kind = (attributes >> 16) & 0o170000
        if kind not in (0, 0o100000, 0o040000):
            raise PackageError("a link or special file in the archive", part=name, rule="zip.link")


def _data_start(
    data: bytes, offset: int, raw_name: bytes, method: int, flags: int, told: tuple[int, int, int], name: str
) -> int:
    if offset + _LOCAL.size > len(data):
        raise PackageError("the item runs beyond the archive", part=name, rule="zip.structure")
    fields = _LOCAL.unpack_from(data, offset)
    signature, _, local_flags, local_method = fields[:4]
    name_size, extra_size = fields[9:]
    name_start = offset + _LOCAL.size
    if signature != b"PK\x03\x04" or data[name_start : name_start + name_size] != raw_name:
        raise PackageError("directory and item disagree about the name", part=name, rule="zip.structure")
    if local_flags & _FLAGS_ENCRYPTED:
        raise PackageError("encrypted items are not allowed", part=name, rule="zip.encrypted")
    if local_method != method or local_flags != flags:
        raise PackageError("directory and item disagree", part=name, rule="zip.structure")
    if not flags & _FLAG_DESCRIPTOR and fields[6:9] != told:
        raise PackageError("directory and item disagree about size or checksum", part=name, rule="zip.structure")
    return int(name_start + name_size + extra_size)


def _check_ranges(ranges: list[_Range], directory: int) -> None:
    """Items follow each other without a gap: another reader might find something in it that this one does not."""
    reached, slack, last = 0, 0, ""
    for entry in sorted(ranges):
        if reached == 0 and entry.start != 0:
            raise PackageError("bytes before the first item", part=entry.name, rule="zip.structure")
        if entry.start < reached:
            raise PackageError("items overlap", part=entry.name, rule="zip.overlap")
        if entry.start > reached + slack:
            raise PackageError("bytes between the items", part=entry.name, rule="zip.structure")
        reached, slack, last = entry.end, entry.slack, entry.name
    if directory > reached + slack:
        raise PackageError("bytes behind the last item", part=last, rule="zip.structure")
