"""Catalog and registration certificate against `catalog.xsd`, for `package check`; the reader in `catalog.py` is what
installations use, and both have to say the same."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from server.fdi.errors import Finding, PackageError, Severity
from server.fdi.xml_reader import XmlLimits, read_xml

SCHEMA_FILE = (Path(__file__).parent / "catalog").with_suffix(".xsd")
MAX_FINDINGS = 50


@cache
def _schema() -> Any:
    # Importing xmlschema and building the schema take longer than a server may lose at start; only checks need them.
    import xmlschema

    return xmlschema.XMLSchema11(str(SCHEMA_FILE), allow="local")


def schema_findings(data: bytes, *, part: str, limits: XmlLimits) -> tuple[Finding, ...]:
    """What the schema finds wrong with a catalog or registration certificate, at most 50 findings.

    Raises:
        PackageError: what `read_xml` refuses.
    """
    read_xml(data, part=part, limits=limits)
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError as wrong:
        raise PackageError(f"not well-formed XML: {wrong.msg}", part=part, rule="xml.syntax") from None
    found = []
    for error in _schema().iter_errors(root):
        found.append(
            Finding(
                severity=Severity.ERROR,
                rule="catalog.schema",
                text=f"{error.path or ''}: {error.reason or error.message}".strip(": "),
                part=part,
                line=error.sourceline or 0,
            )
        )
        if len(found) >= MAX_FINDINGS:
            break
    return tuple(found)
