"""NodeSet2 XML (OPC 10000-6 Annex F) -> NodeSetFile. The bytes are not trusted: entities, DTD and network are off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from server.opcua.nodesets import values
from server.opcua.nodesets.model import (
    NODE_CLASS_TAGS,
    UA_URI,
    Definition,
    FieldDef,
    Node,
    NodeClass,
    NodeKey,
    NodeSetError,
    NodeSetFile,
    Reference,
    RequiredModel,
    Text,
    Value,
    at,
    base,
)
from server.opcua.nodesets.values import Context, ValueFormatError, children, local_name

NODESET_NS = "http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"


@dataclass(frozen=True, slots=True)
class Limits:
    """How large one file may be before it is refused."""

    size_bytes: int = 32 * 1024 * 1024
    nodes: int = 200_000
    references: int = 2_000_000
    depth: int = 40


DEFAULT_LIMITS = Limits()


def read_file(path: Path, limits: Limits = DEFAULT_LIMITS) -> NodeSetFile:
    """One file from disk. Raises NodeSetError with the file, the line and the reason."""
    return read_bytes(path, read_content(path, limits), limits)


def read_content(path: Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The bytes of one file, one more than allowed at most. Raises NodeSetError when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(limits.size_bytes + 1)
    except OSError as error:
        raise NodeSetError([at(path, 0, f"cannot be read: {error.strerror}")]) from error


def read_bytes(path: Path, content: bytes, limits: Limits = DEFAULT_LIMITS) -> NodeSetFile:
    """The same from bytes; `path` only names the source in errors."""
    root = _parse(path, content, limits)
    return _FileReader(path, limits).read(root)


def _parse(path: Path, content: bytes, limits: Limits) -> etree._Element:
    if len(content) > limits.size_bytes:
        raise NodeSetError([at(path, 0, f"larger than {limits.size_bytes} bytes")])
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in content[:4]:
        raise NodeSetError([at(path, 1, "only UTF-8 is read; save the file as UTF-8")])
    # Refused before any parser sees it, so that no entity is ever defined.
    position = content.find(b"<!DOCTYPE")
    if position >= 0 or b"<!ENTITY" in content:
        line = content.count(b"\n", 0, max(position, 0)) + 1
        raise NodeSetError([at(path, line, "a DTD or entity declaration is not allowed")])
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, encoding="utf-8"
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise NodeSetError([at(path, error.lineno or 0, f"not well-formed XML: {error.msg}")]) from None
    _check_depth(path, root, limits.depth)
    if root.tag != f"{{{NODESET_NS}}}UANodeSet":
        raise NodeSetError([at(path, root.sourceline or 1, "the root element is not UANodeSet of NodeSet2")])
    return root


def _check_depth(path: Path, root: etree._Element, limit: int) -> None:
    depth = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > limit:
            raise NodeSetError([at(path, element.sourceline or 0, f"elements are nested deeper than {limit}")])


class _FileReader:
    """Reads one parsed tree; the first problem ends it, since what follows would rest on it."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._aliases: dict[str, NodeKey] = {}
        self._context = Context((UA_URI,))
        self._references = 0

    def read(self, root: etree._Element) -> NodeSetFile:
        element = root
        try:
            sections = {local_name(child): child for child in children(root)}
            self._context = Context((UA_URI, *self._uris(sections.get("NamespaceUris"))))
            if "Models" not in sections:
                raise ValueFormatError("the element Models is missing: which model is this, and what does it require?")
            element = sections["Models"]
            model = self._model(element)
            for element in children(sections["Aliases"]) if "Aliases" in sections else []:
                self._aliases[element.get("Alias", "")] = self._context.node_id(element.text or "")
            nodes: dict[NodeKey, Node] = {}
            for element in children(root):
                tag = local_name(element)
                if tag not in NODE_CLASS_TAGS:
                    continue
                if len(nodes) >= self._limits.nodes:
                    raise ValueFormatError(f"more than {self._limits.nodes} nodes")
                node = self._node(element, NODE_CLASS_TAGS[tag])
                if node.node_id in nodes:
                    raise ValueFormatError(f"node {node.node_id} is already defined in line {nodes[node.node_id].line}")
                nodes[node.node_id] = node
        except ValueFormatError as problem:
            raise NodeSetError([at(self._path, element.sourceline or 0, str(problem))]) from None
        uri, version, date, schema, required = model
        return NodeSetFile(
            self._path, uri, version, date, required, tuple(nodes.values()), self._context.uris[1:], schema
        )

    def _uris(self, element: etree._Element | None) -> tuple[str, ...]:
        if element is None:
            return ()
        uris = tuple((child.text or "").strip() for child in children(element))
        if not all(uris) or len(set(uris)) != len(uris):
            raise ValueFormatError("NamespaceUris holds an empty or a repeated URI")
        return uris

    def _model(self, element: etree._Element) -> tuple[str, str, str, str, tuple[RequiredModel, ...]]:
        models = [child for child in children(element) if local_name(child) == "Model"]
        if len(models) != 1:
            raise ValueFormatError(f"{len(models)} models in one file; one file holds one model")
        head = self._required(models[0])
        required = tuple(self._required(child) for child in children(models[0]) if local_name(child) == "RequiredModel")
        return head.uri, head.version, head.publication_date, head.schema_uri, required

    def _required(self, element: etree._Element) -> RequiredModel:
        uri = element.get("ModelUri", "")
        if not uri:
            raise ValueFormatError(f"{local_name(element)} has no ModelUri")
        return RequiredModel(
            uri,
            element.get("Version", ""),
            element.get("PublicationDate", ""),
            element.get("XmlSchemaUri", ""),
            element.sourceline or 0,
        )

    def _id(self, text: str) -> NodeKey:
        text = text.strip()
        return self._aliases[text] if text in self._aliases else self._context.node_id(text)

    def _optional_id(self, element: etree._Element, name: str) -> NodeKey | None:
        text = element.get(name)
        return None if text is None else self._id(text)

    def _node(self, element: etree._Element, node_class: NodeClass) -> Node:
        get = element.get
        name = get("BrowseName")
        if not get("NodeId") or not name:
            raise ValueFormatError(f"{local_name(element)} without NodeId or BrowseName")
        texts: dict[str, list[Text]] = {"DisplayName": [], "Description": [], "InverseName": []}
        references: tuple[Reference, ...] = ()
        value: Value | None = None
        definition: Definition | None = None
        for child in children(element):
            tag = local_name(child)
            if tag in texts:
                texts[tag].append(Text(child.get("Locale", ""), (child.text or "").strip()))
            elif tag == "References":
                references = tuple(self._reference(item) for item in children(child))
            elif tag == "Value":
                inner = children(child)
                value = values.read_value(inner[0], self._context) if inner else None
            elif tag == "Definition":
                definition = self._definition(child)
        self._references += len(references)
        if self._references > self._limits.references:
            raise ValueFormatError(f"more than {self._limits.references} references")
        browse_name = self._context.name(name)
        typed = node_class in (NodeClass.VARIABLE, NodeClass.VARIABLE_TYPE)
        user = get("UserAccessLevel")
        return Node(
            node_id=self._id(get("NodeId", "")),
            node_class=node_class,
            browse_name=browse_name,
            display_name=tuple(texts["DisplayName"]) or (Text("", browse_name.text),),
            references=references,
            parent=self._optional_id(element, "ParentNodeId"),
            description=tuple(texts["Description"]),
            inverse_name=tuple(texts["InverseName"]),
            is_abstract=values.boolean(get("IsAbstract", "false")),
            symmetric=values.boolean(get("Symmetric", "false")),
            data_type=(self._optional_id(element, "DataType") or base(24)) if typed else None,
            value_rank=values.integer("Int32", get("ValueRank", "-1")),
            array_dimensions=_dimensions(get("ArrayDimensions", "")),
            access_level=values.integer("UInt32", get("AccessLevel", "1")),
            user_access_level=None if user is None else values.integer("UInt32", user),
            write_mask=values.integer("UInt32", get("WriteMask", "0")),
            event_notifier=values.integer("Byte", get("EventNotifier", "0")),
            historizing=values.boolean(get("Historizing", "false")),
            minimum_sampling_interval=values.real(get("MinimumSamplingInterval", "0")),
            executable=values.boolean(get("Executable", "true")),
            contains_no_loops=values.boolean(get("ContainsNoLoops", "false")),
            method_declaration=self._optional_id(element, "MethodDeclarationId"),
            release_status=get("ReleaseStatus", "Released"),
            value=value,
            definition=definition,
            line=element.sourceline or 0,
        )

    def _reference(self, element: etree._Element) -> Reference:
        return Reference(
            self._id(element.get("ReferenceType", "")),
            self._id(element.text or ""),
            values.boolean(element.get("IsForward", "true")),
            element.sourceline or 0,
        )

    def _definition(self, element: etree._Element) -> Definition:
        return Definition(
            self._context.name(element.get("Name", "")),
            tuple(self._field(child) for child in children(element) if local_name(child) == "Field"),
            option_set=values.boolean(element.get("IsOptionSet", "false")),
            union=values.boolean(element.get("IsUnion", "false")),
        )

    def _field(self, element: etree._Element) -> FieldDef:
        number = element.get("Value")
        return FieldDef(
            element.get("Name", ""),
            None if number is None else values.integer("Int64", number),
            self._optional_id(element, "DataType") or base(24),
            values.integer("Int32", element.get("ValueRank", "-1")),
            _dimensions(element.get("ArrayDimensions", "")),
            values.boolean(element.get("IsOptional", "false")),
            values.boolean(element.get("AllowSubTypes", "false")),
        )


def _dimensions(text: str) -> tuple[int, ...]:
    return tuple(values.integer("UInt32", part) for part in text.split(",")) if text.strip() else ()
