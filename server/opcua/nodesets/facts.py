"""The facts of one node as stable lines of text, so that two files can be compared node by node, and a digest of them.

References are normalised: whichever end declares one, both ends have it. Left out on purpose, because they are texts
or hints of the file and no part of an address space: `EXEMPT`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict

from server.opcua.nodesets.model import Body, FieldDef, Name, Node, NodeKey, NodeSetFile, Structure, Text, ValueItem

EXEMPT = {
    "Description": "explaining text of the standard; this project writes none of it",
    "Documentation": "a link to the standard's text",
    "Category": "names of conformance units, no attribute of a node",
    "SymbolicName": "a hint for code generators, no attribute of a node",
    "ParentNodeId": "repeats a reference that is compared",
    "field order in the file": "nodes are compared by id",
    "XmlSchemaUri": "a property of the model line, not of a node",
    "type dictionary payload": "the ByteString of a legacy type dictionary is built from the definitions",
}
"""What the facts leave out, each with its reason."""

DICTIONARY_TYPE = NodeKey("http://opcfoundation.org/UA/", "i=72")
"""DataTypeDictionaryType: the value of its instances is a document, see EXEMPT."""

DIGEST_LENGTH = 16
"""Hexadecimal digits kept of a node's SHA-256; 64 bits over some hundred nodes cannot collide by accident."""


def all_facts(file: NodeSetFile) -> dict[NodeKey, tuple[str, ...]]:
    """Every node's facts, sorted within a node."""
    edges: dict[NodeKey, set[str]] = defaultdict(set)
    for node in file.nodes:
        for reference in node.references:
            near, far = (node.node_id, reference.target) if reference.forward else (reference.target, node.node_id)
            edges[near].add(f"reference {reference.type} -> {far}")
            edges[far].add(f"reference {reference.type} <- {near}")
    return {node.node_id: tuple(sorted([*_attributes(node), *edges[node.node_id]])) for node in file.nodes}


def digest(facts: tuple[str, ...]) -> str:
    """A short digest of one node's facts."""
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:DIGEST_LENGTH]


def digest_lines(file: NodeSetFile) -> list[str]:
    """One line a node, `identifier digest`, in the order of the ids: what tests keep in place of the official file."""
    facts = all_facts(file)
    return [f"{key.identifier} {digest(facts[key])}" for key in sorted(facts, key=_numerical)]


def differences(ours: NodeSetFile, theirs: NodeSetFile) -> list[str]:
    """Every fact that only one of both files states, as readable lines; empty when they agree."""
    left, right = all_facts(ours), all_facts(theirs)
    found = []
    for key in sorted(left.keys() | right.keys(), key=_numerical):
        mine, other = set(left.get(key, ())), set(right.get(key, ()))
        found += [f"{key}: only ours: {fact}" for fact in sorted(mine - other)]
        found += [f"{key}: only theirs: {fact}" for fact in sorted(other - mine)]
    return found


def _numerical(key: NodeKey) -> tuple[str, int, str]:
    number = int(key.identifier[2:]) if key.identifier.startswith("i=") else -1
    return key.uri, number, key.identifier


def _attributes(node: Node) -> list[str]:
    user_level = node.access_level if node.user_access_level is None else node.user_access_level
    lines = [
        f"class {node.node_class.name}",
        f"browse name {node.browse_name}",
        *(f"display name {_text(text)}" for text in node.display_name),
        *(f"inverse name {_text(text)}" for text in node.inverse_name),
        f"abstract {node.is_abstract}",
        f"symmetric {node.symmetric}",
        f"value rank {node.value_rank}",
        f"array dimensions {node.array_dimensions}",
        f"access level {node.access_level} {user_level}",
        f"write mask {node.write_mask}",
        f"event notifier {node.event_notifier}",
        f"historizing {node.historizing}",
        f"minimum sampling interval {node.minimum_sampling_interval}",
        f"executable {node.executable}",
        f"contains no loops {node.contains_no_loops}",
        f"data type {node.data_type}",
        f"method declaration {node.method_declaration}",
        f"release status {node.release_status}",
    ]
    if node.value is not None:
        lines.append(f"value type {node.value.type} array {node.value.array} of {len(node.value.items)}")
        if not is_dictionary(node):
            lines += [f"value {index} {_item(item)}" for index, item in enumerate(node.value.items)]
    if node.definition is not None:
        definition = node.definition
        lines.append(f"definition {definition.name} option set {definition.option_set} union {definition.union}")
        lines += [f"definition field {index} {_field(item)}" for index, item in enumerate(definition.fields)]
    return lines


def is_dictionary(node: Node) -> bool:
    """True for the legacy type dictionaries, whose value is a whole document."""
    return any(reference.target == DICTIONARY_TYPE for reference in node.references)


def _text(text: Text) -> str:
    return f"[{text.locale}] {text.text}"


def _field(item: FieldDef) -> str:
    return (
        f"{item.name} value {item.value} type {item.data_type} rank {item.value_rank} "
        f"dimensions {item.array_dimensions} optional {item.optional} subtypes {item.allow_subtypes}"
    )


def _item(item: ValueItem) -> str:
    if isinstance(item, Structure):
        return f"{item.type_id} {_body(item.body)}"
    if isinstance(item, bytes):
        return item.hex()
    if isinstance(item, Text):
        return _text(item)
    if isinstance(item, Name | NodeKey | str):
        return str(item)
    return repr(item)


def _body(body: Body) -> str:
    inner = ", ".join(_body(child) for child in body.children if child.name != "Description")
    return f"{body.name}({inner})" if body.children else f"{body.name}={body.text}"
