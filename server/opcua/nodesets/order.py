"""A folder of NodeSet2 files in the order of what they require: all of them, or none with every reason."""

from __future__ import annotations

import re
from pathlib import Path

from server.opcua.nodesets.model import UA_URI, NodeKey, NodeSetError, NodeSetFile, RequiredModel, at
from server.opcua.nodesets.reader import DEFAULT_LIMITS, Limits, read_file


def load_folder(folder: Path, limits: Limits = DEFAULT_LIMITS) -> list[NodeSetFile]:
    """Every `*.xml` of a folder, each after what it requires.

    Raises:
        NodeSetError: with every problem: files that do not parse, models that are missing or too old, cycles,
            models in two files, nodes in two files, references to nodes that no file has.
    """
    files: list[NodeSetFile] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.xml")):
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
        return ""
    there = by_uri.get(required.uri)
    if there is None:
        return f"requires model {required.uri}, which no file here holds; put its NodeSet2 file beside this one"
    if _older(there.version, required.version) and _older_date(there.publication_date, required.publication_date):
        return f"requires {required.uri} {required.version}, but {there.path.name} holds {there.version}"
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
            names = ", ".join(file.path.name for file in waiting)
            problems.append(f"{names}: these models require each other in a circle")
            return ordered
        ordered += ready
        done.update(file.model_uri for file in ready)
        waiting = [file for file in waiting if file.model_uri not in done]
    return ordered


def _check_nodes(files: list[NodeSetFile], problems: list[str]) -> None:
    """Nodes in two files, and references into a loaded namespace that has no such node."""
    owners: dict[NodeKey, NodeSetFile] = {}
    for file in files:
        for node in file.nodes:
            other = owners.setdefault(node.node_id, file)
            if other is not file:
                problems.append(at(file.path, node.line, f"node {node.node_id} is already in {other.path.name}"))
    loaded = {file.model_uri for file in files}
    for file in files:
        for node in file.nodes:
            problems += [
                at(file.path, reference.line or node.line, f"{node.node_id} refers to {key}, which no file has")
                for reference in node.references
                for key in (reference.type, reference.target)
                if key.uri in loaded and key not in owners
            ]
