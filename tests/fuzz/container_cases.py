"""Single fuzz cases for the doors of packages: any bytes go in, and what is not a PackageError is a fault of ours.

A fuzzer (hypothesis, atheris) calls them with inputs of its own.
"""

from __future__ import annotations

from functools import cache

from server.core.clock import ManualClock
from server.fdi.archive import ContainerLimits
from server.fdi.catalog import read_catalog
from server.fdi.catalog_schema import schema_findings
from server.fdi.check import inspect
from server.fdi.container import Container
from server.fdi.errors import PackageError
from server.fdi.registration import read_registration
from server.fdi.signature.result import SignatureReport
from server.fdi.signature.verifying import Trust, verify
from server.fdi.trust import TrustPolicy
from server.fdi.xml_reader import XmlLimits
from tests.kit.packages import members, repacked
from tests.kit.signing import NOW, SIGNATURE, root, signed, stamper

SMALL = ContainerLimits(max_bytes=200_000, max_unpacked_bytes=400_000, max_part_bytes=200_000, max_parts=50)
XML = XmlLimits(max_bytes=100_000, max_depth=32, max_elements=2_000)


@cache
def valid() -> bytes:
    """A signed and stamped package: a good start for a fuzzer's corpus."""
    return signed(stamped=stamper())


def one_container_case(data: bytes) -> None:
    """Bytes as a package file: everything that an upload and a check do."""
    # `inspect` turns every PackageError into findings, so anything raised here is a fault.
    result = inspect(data, SMALL, TrustPolicy(clock=ManualClock(NOW), certificates=(root().certificate,)))
    for finding in result.findings:
        if not finding.rule:
            raise ValueError(f"a finding without rule: {finding}")


def one_catalog_case(data: bytes) -> None:
    """Bytes as catalog and as registration certificate."""
    for read in (read_catalog, read_registration, schema_findings):
        try:
            read(data, part="/catalog.xml", limits=XML)  # type: ignore[operator]
        except PackageError as error:
            if not error.rule:
                raise ValueError("an error without rule") from error


def one_part_case(name: str, data: bytes) -> SignatureReport | None:
    """Bytes as one item of the signed package; what its signatures are then, None when it is no package any more."""
    items = members(valid())
    items[name] = data
    try:
        container = Container.read(repacked(items), SMALL)
    except PackageError:
        return None
    return verify(container, Trust(now=NOW, certificates=(root().certificate,)))


def one_signature_case(data: bytes) -> None:
    """Bytes as the signature part of a package."""
    one_part_case(SIGNATURE, data)
