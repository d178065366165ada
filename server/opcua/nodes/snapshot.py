"""A whole node store in one file, so that a start reads nodes instead of building them.

The file is plain data (MessagePack), tied to what it was made from by a key and kept whole by a digest. One that is
broken, cut or made from something else counts as absent. It is safe to delete.
"""

from __future__ import annotations

import gc
import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from asyncua import ua

from server.opcua.nodes.extra import Extra
from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import Node, Shape
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import encode_variant
from server.opcua.wire import Point

MAGIC = b"FLNODES1"
_DIGEST = hashlib.sha256
_DIGEST_SIZE = 32
_HEAD = len(MAGIC) + 2 * _DIGEST_SIZE
_FEW = 8
"""References that a node keeps in a tuple, see NodeStore."""


class Model(msgspec.Struct, frozen=True, array_like=True):
    """A namespace that the nodes use; version and date (ISO 8601) are empty when no model of it is loaded."""

    uri: str
    index: int
    version: str = ""
    publication_date: str = ""


class _Point(msgspec.Struct, array_like=True, gc=False):
    flags: int
    body: bytes
    source: int
    server: int


class _Row(msgspec.Struct, array_like=True, gc=False):
    key: Any
    shape: int
    name: int
    display: int
    description: int
    refs: list[Any]
    plain: bool  # no reference leads to a key that is not a number
    point: _Point | None = None
    extra: dict[int, bytes] | None = None


class _File(msgspec.Struct, array_like=True):
    models: list[Model]
    types: list[Any]
    shapes: list[list[Any]]
    names: list[tuple[int, str]]
    texts: list[tuple[str | None, str | None]]
    rows: list[_Row]


class SnapshotError(ValueError):
    """A file that is no snapshot, not whole, or made from something else."""


def snapshot_key(parts: Sequence[str | bytes]) -> bytes:
    """One digest of everything that a snapshot is made from, in order."""
    digest = _DIGEST()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.digest()


# -- keys as MessagePack has them


def _out(key: Key) -> Any:
    if isinstance(key, int):
        return key
    namespace, identifier = key
    return [namespace, identifier.bytes, 1] if isinstance(identifier, uuid.UUID) else [namespace, identifier]


def _in(plain: Any) -> Key:
    if isinstance(plain, int):
        return plain
    if len(plain) == 3:
        return plain[0], uuid.UUID(bytes=plain[1])
    return plain[0], plain[1]


def _number(table: dict[Any, int], value: Any) -> int:
    """The row of a value that many nodes share."""
    return table.setdefault(value, len(table))


def _plain(text: str | None) -> str | None:
    """Without the stack's subclass of str."""
    return None if text is None else str(text)


def encode(store: NodeStore, models: Sequence[Model]) -> bytes:
    """The nodes of a store, without a head."""
    shapes: dict[Shape, int] = {}
    names: dict[tuple[int, str], int] = {}
    texts: dict[tuple[str | None, str | None], int] = {}

    def text(value: ua.LocalizedText | None) -> int:
        return -1 if value is None else _number(texts, (_plain(value.Text), _plain(value.Locale)))

    rows = []
    for node in store.nodes():
        point, extra = node.point, node.extra
        rows.append(
            _Row(
                _out(node.key),
                _number(shapes, node.shape),
                _number(names, (int(node.name.NamespaceIndex), _plain(node.name.Name) or "")),
                text(node.display),
                text(node.description),
                [_out(part) for part in node.refs],
                all(isinstance(part, int) for part in node.refs),
                None if point is None else _Point(point.flags, point.body, point.source, point.server),
                None if not extra else _encoded(extra),
            )
        )
    return msgspec.msgpack.encode(
        _File(
            list(models),
            [_out(key) for key in store.reference_types()],
            [_shape_out(shape) for shape in shapes],
            list(names),
            list(texts),
            rows,
        )
    )


def _encoded(extra: dict[int, ua.Variant]) -> dict[int, bytes]:
    if isinstance(extra, Extra):
        return extra.encoded()
    return {int(attribute): encode_variant(value) for attribute, value in extra.items()}


def _shape_out(shape: Shape) -> list[Any]:
    data_type = None if shape.data_type is None else _out(shape.data_type)
    rows = None if shape.permissions is None else [[_out(role), bits] for role, bits in shape.permissions]
    return list(shape._replace(data_type=data_type, permissions=rows))  # type: ignore[arg-type]


def _shape_in(plain: list[Any]) -> Shape:
    shape = Shape(*plain)
    data_type = None if shape.data_type is None else _in(shape.data_type)
    rows = None if shape.permissions is None else tuple((_in(role), bits) for role, bits in shape.permissions)
    return shape._replace(data_type=data_type, permissions=rows)


_DECODER = msgspec.msgpack.Decoder(_File)


def decode(content: bytes) -> tuple[NodeStore, tuple[Model, ...]]:
    """The store of `encode`.

    Raises:
        SnapshotError: the content is none.
    """
    try:
        file = _DECODER.decode(content)
        return _store(file), tuple(file.models)
    except (msgspec.MsgspecError, TypeError, IndexError, ValueError) as error:
        raise SnapshotError(str(error)) from error


def _store(file: _File) -> NodeStore:
    store = NodeStore()
    for plain in file.types:
        store.code(_in(plain))
    shapes = [store.shape(_shape_in(plain)) for plain in file.shapes]
    names = [ua.QualifiedName(name, namespace) for namespace, name in file.names]
    # One more for number -1: no text.
    texts = [*(ua.LocalizedText(text, locale) for text, locale in file.texts), None]
    for row in file.rows:
        plain, refs = row.key, row.refs
        node = Node(plain if isinstance(plain, int) else _in(plain), shapes[row.shape], names[row.name])
        node.display = texts[row.display]
        node.description = texts[row.description]
        if not row.plain:
            refs = [_in(part) for part in refs]
        node.refs = tuple(refs) if len(refs) <= _FEW else refs
        held = row.point
        if held is not None:
            node.point = point = Point()
            point.put(held.flags, held.body, held.source, held.server)
        if row.extra is not None:
            node.extra = Extra(row.extra)
        store.add(node)
    return store


# -- the file


def save(path: Path, key: bytes, store: NodeStore, models: Sequence[Model]) -> None:
    """Write a snapshot in one step, for the owner only. Raises OSError."""
    content = encode(store, models)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(MAGIC + key + _DIGEST(content).digest())
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: Path, key: bytes, index_of: Callable[[str], int]) -> tuple[NodeStore, tuple[Model, ...]]:
    """The store of a snapshot made from the same things under the same namespace indexes.

    `index_of` is asked for each namespace in the order in which a build would; it may give new ones an index.

    Raises:
        SnapshotError: there is none, it is not whole, or it was made from something else.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SnapshotError("there is none yet") from None
    except OSError as error:
        raise SnapshotError(f"cannot be read: {error.strerror}") from error
    head, body = content[:_HEAD], content[_HEAD:]
    if len(head) < _HEAD or not head.startswith(MAGIC):
        raise SnapshotError("no snapshot of this version")
    if head[len(MAGIC) : -_DIGEST_SIZE] != key:
        raise SnapshotError("made from other files or by another version")
    if head[-_DIGEST_SIZE:] != _DIGEST(body).digest():
        raise SnapshotError("damaged: its digest does not match")
    with _no_collection():
        store, models = decode(body)
    moved = [model.uri for model in models if index_of(model.uri) != model.index]
    if moved:
        raise SnapshotError(f"made with other namespace indexes: {', '.join(moved)}")
    return store, models


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection: it would go through the same new objects again and again, and find nothing."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
