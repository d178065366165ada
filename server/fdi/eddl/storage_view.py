"""LIST, FILE, BLOB and TEMPLATE to the static view."""

from __future__ import annotations

from server.fdi.eddl.nodes import TypeSpec
from server.fdi.eddl.reading import Reader
from server.fdi.eddl.storage import EddBlob, EddFile, EddList, EddTemplate
from server.fdi.eddl.writing import written


def list_(reader: Reader) -> EddList:
    """The static view of a LIST."""
    found = reader.attribute("TYPE")
    spec = found.value if found is not None and isinstance(found.value, TypeSpec) else None
    if spec is None:
        reader.view.findings.add(reader.construct.position, "type-missing", f"{reader.owner} has no TYPE")
    capacity, count = reader.whole("CAPACITY"), reader.whole("COUNT")
    if capacity is not None and count is not None and count > capacity:
        text = f"{reader.owner}: COUNT {count} is above CAPACITY {capacity}"
        reader.view.findings.add(reader.construct.position, "range", text)
    return EddList(
        element=written(spec.reference) if spec is not None else None,
        capacity=capacity,
        count=count,
        **reader.common(),
    )


def file(reader: Reader) -> EddFile:
    """The static view of a FILE."""
    readable, writable = reader.access()
    return EddFile(
        members=reader.members(),
        readable=readable,
        writable=writable,
        identity=reader.string("IDENTITY"),
        **reader.common(),
    )


def blob(reader: Reader) -> EddBlob:
    """The static view of a BLOB."""
    readable, writable = reader.access()
    return EddBlob(readable=readable, writable=writable, identity=reader.string("IDENTITY"), **reader.common())


def template(reader: Reader) -> EddTemplate:
    """The static view of a TEMPLATE."""
    return EddTemplate(default_values=reader.assigned("DEFAULT_VALUES"), **reader.common())
