"""A folder of NodeSet2 files in the order of what they require: all of them, or none with every reason."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from asyncua import ua

from server.opcua.nodesets.model import UA_URI, NodeKey, NodeSetError, NodeSetFile, RequiredModel, at
from server.opcua.nodesets.reader import DEFAULT_LIMITS, Limits, read_content, read_file

BASE_MODEL = RequiredModel(UA_URI, "1.05.07", "2026-05-01T00:00:00Z")
"""The base namespace that the pinned OPC UA stack brings; a test compares it with what the stack says of itself."""

MAX_FILES = 200
"""Files read from one folder."""

SHOWN = 20
"""Missing nodes named one by one for each file; the rest is counted, a wrong namespace table would list thousands."""


def fingerprint(folder: Path, limits: Limits = DEFAULT_LIMITS) -> str:
    """One digest of what `load_folder` would read, without parsing any of it.

    Raises:
        NodeSetError: a file cannot be read, is too large, or there are too many.
    """
    digest = hashlib.sha256()
    paths = sorted(folder.glob("*.xml"))
    if len(paths) > MAX_FILES:
        raise NodeSetError([f"{folder}: more than {MAX_FILES} NodeSet2 files"])
    for path in paths:
        content = read_content(path, limits)
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def load_folder(folder: Path, limits: Limits = DEFAULT_LIMITS) -> list[NodeSetFile]:
    """Every `*.xml` of a folder, each after what it requires.

    Raises:
        NodeSetError: with every problem: files that do not parse, models that are missing or too old, cycles,
            models in two files, nodes in two files, references to nodes that no file has.
    """
    files: list[NodeSetFile] = []
    problems: list[str] = []
    paths = sorted(folder.glob("*.xml"))
    if len(paths) > MAX_FILES:
        raise NodeSetError([f"{folder}: more than {MAX_FILES} NodeSet2 files"])
    for path in paths:
        try:
            files.append(read_file(path, limits))
        except NodeSetError as error:
            problems += error.problems
    if problems:
        raise NodeSetError(problems)
    return in_order(files)


def in_order(files: list[NodeSetFile]) -> list[NodeSetFile]:
    """The files in RequiredModel order; ties keep the order given. Raises NodeSetError as `load_folder`."""
    problems: list[str] = []
    by_uri: dict[str, NodeSetFile] = {}
    for file in files:
        other = by_uri.setdefault(file.model_uri, file)
        if other is not file:
            problems.append(at(file.path, 0, f"model {file.model_uri} is already in {other.path.name}; remove one"))
        if file.model_uri == UA_URI:
            problems.append(at(file.path, 0, "the base namespace is built in; remove this file"))
    for file in files:
        problems += [
            at(file.path, required.line, reason)
            for required in file.required_models
            if (reason := _unmet(required, by_uri))
        ]
    if problems:
        raise NodeSetError(problems)
    ordered = _sorted(files, by_uri, problems)
    _check_nodes(ordered, problems)
    if problems:
        raise NodeSetError(problems)
    return ordered


def _unmet(required: RequiredModel, by_uri: dict[str, NodeSetFile]) -> str:
    if required.uri == UA_URI:
        return _too_old(required, BASE_MODEL.version, BASE_MODEL.publication_date, "this server")
    there = by_uri.get(required.uri)
    if there is None:
        return f"requires model {required.uri}, which no file here holds; put its NodeSet2 file beside this one"
    return _too_old(required, there.version, there.publication_date, there.path.name)


def _too_old(required: RequiredModel, version: str, date: str, holder: str) -> str:
    if _older(version, required.version) and _older_date(date, required.publication_date):
        return f"requires {required.uri} {required.version}, but {holder} holds {version or 'no version'}"
    return ""


def _older(version: str, wanted: str) -> bool:
    have, want = _numbers(version), _numbers(wanted)
    return bool(want) and have < want


def _older_date(date: str, wanted: str) -> bool:
    # Versions are free text in practice: a file of the wanted date or newer is taken whatever its version says.
    return not (date and wanted) or date[:10] < wanted[:10]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d{1,9}", version))


def _sorted(files: list[NodeSetFile], by_uri: dict[str, NodeSetFile], problems: list[str]) -> list[NodeSetFile]:
    ordered: list[NodeSetFile] = []
    done: set[str] = set()
    waiting = list(files)
    while waiting:
        ready = [file for file in waiting if all(r.uri in done or r.uri not in by_uri for r in file.required_models)]
        if not ready:
            problems.append(f"models require each other in a circle: {_circle(waiting)}")
            return ordered
        ordered += ready
        done.update(file.model_uri for file in ready)
        waiting = [file for file in waiting if file.model_uri not in done]
    return ordered


def _circle(waiting: list[NodeSetFile]) -> str:
    by_uri = {file.model_uri: file for file in waiting}
    trail = [waiting[0]]
    while True:
        needs = min(required.uri for required in trail[-1].required_models if required.uri in by_uri)
        following = by_uri[needs]
        if following in trail:
            return " -> ".join(file.path.name for file in [*trail[trail.index(following) :], following])
        trail.append(following)


def _check_nodes(files: list[NodeSetFile], problems: list[str]) -> None:
    """Nodes in two files, and references to nodes that neither a file nor the base namespace has."""
    owners: dict[NodeKey, NodeSetFile] = {}
    for file in files:
        for node in file.nodes:
            other = owners.setdefault(node.node_id, file)
            if other is not file:
                problems.append(at(file.path, node.line, f"node {node.node_id} is already in {other.path.name}"))
    for file in files:
        missing = [
            at(file.path, reference.line or node.line, f"{node.node_id} refers to {key}, which no file has")
            for node in file.nodes
            for reference in node.references
            for key in (reference.type, reference.target)
            if key not in owners and not _is_base(key)
        ]
        problems += missing[:SHOWN]
        if len(missing) > SHOWN:
            problems.append(at(file.path, 0, f"and {len(missing) - SHOWN} more references to missing nodes"))


def _is_base(key: NodeKey) -> bool:
    return key.uri == UA_URI and key.identifier.startswith("i=") and int(key.identifier[2:]) in ua.ObjectIdNames
