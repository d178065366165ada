"""NodeSetFile -> NodeSet2 XML: the same bytes for the same facts, whatever machine builds them."""

from __future__ import annotations

import base64

from lxml import etree

from server.opcua.nodesets.model import (
    NODE_CLASS_TAGS,
    UA_URI,
    Body,
    Definition,
    Name,
    Node,
    NodeKey,
    NodeSetFile,
    RequiredModel,
    Structure,
    Text,
    Value,
    ValueItem,
    base,
)
from server.opcua.nodesets.reader import NODESET_NS
from server.opcua.nodesets.values import TYPES_NS

_TAGS = {node_class: tag for tag, node_class in NODE_CLASS_TAGS.items()}


def file_name(file: NodeSetFile) -> str:
    """The name of the built file, after its source."""
    return f"{file.path.stem}.NodeSet2.xml"


def build_xml(file: NodeSetFile) -> bytes:
    """The NodeSet2 document of one file."""
    return _Writer(file).write()


class _Writer:
    def __init__(self, file: NodeSetFile) -> None:
        self._file = file
        self._index = {UA_URI: 0, **{uri: number for number, uri in enumerate(file.namespace_uris, start=1)}}

    def write(self) -> bytes:
        file = self._file
        root = etree.Element(_ns("UANodeSet"), nsmap={None: NODESET_NS})
        if file.publication_date:
            root.set("LastModified", file.publication_date)
        uris = etree.SubElement(root, _ns("NamespaceUris"))
        for uri in file.namespace_uris:
            etree.SubElement(uris, _ns("Uri")).text = uri
        head = RequiredModel(file.model_uri, file.version, file.publication_date, file.schema_uri)
        model = _model(etree.SubElement(root, _ns("Models")), "Model", head)
        for required in file.required_models:
            _model(model, "RequiredModel", required)
        for node in file.nodes:
            self._node(root, node)
        etree.indent(root, space=" ")
        return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8")) + b"\n"

    def _id(self, key: NodeKey) -> str:
        index = self._index[key.uri]
        return f"ns={index};{key.identifier}" if index else key.identifier

    def _name(self, name: Name) -> str:
        index = self._index[name.uri]
        return f"{index}:{name.text}" if index else name.text

    def _node(self, root: etree._Element, node: Node) -> None:
        element = etree.SubElement(root, _ns(_TAGS[node.node_class]))
        for name, text in self._attributes(node):
            element.set(name, text)
        _texts(element, "DisplayName", node.display_name)
        _texts(element, "Description", node.description)
        references = etree.SubElement(element, _ns("References"))
        for reference in node.references:
            item = etree.SubElement(references, _ns("Reference"), ReferenceType=self._id(reference.type))
            if not reference.forward:
                item.set("IsForward", "false")
            item.text = self._id(reference.target)
        _texts(element, "InverseName", node.inverse_name)
        if node.definition is not None:
            self._definition(element, node.definition)
        if node.value is not None:
            self._value(etree.SubElement(element, _ns("Value")), node.value)

    def _attributes(self, node: Node) -> list[tuple[str, str]]:
        found = [("NodeId", self._id(node.node_id)), ("BrowseName", self._name(node.browse_name))]
        if node.parent is not None:
            found.append(("ParentNodeId", self._id(node.parent)))
        if node.data_type is not None and node.data_type != base(24):
            found.append(("DataType", self._id(node.data_type)))
        if node.method_declaration is not None:
            found.append(("MethodDeclarationId", self._id(node.method_declaration)))
        default = Node(node.node_id, node.node_class, node.browse_name, node.display_name)
        for attribute, name in (
            ("value_rank", "ValueRank"),
            ("access_level", "AccessLevel"),
            ("user_access_level", "UserAccessLevel"),
            ("write_mask", "WriteMask"),
            ("event_notifier", "EventNotifier"),
            ("minimum_sampling_interval", "MinimumSamplingInterval"),
            ("release_status", "ReleaseStatus"),
            ("is_abstract", "IsAbstract"),
            ("symmetric", "Symmetric"),
            ("historizing", "Historizing"),
            ("executable", "Executable"),
            ("contains_no_loops", "ContainsNoLoops"),
        ):
            actual = getattr(node, attribute)
            if actual != getattr(default, attribute):
                found.append((name, str(actual).lower() if isinstance(actual, bool) else str(actual)))
        if node.array_dimensions:
            found.append(("ArrayDimensions", ",".join(str(length) for length in node.array_dimensions)))
        return found

    def _definition(self, parent: etree._Element, definition: Definition) -> None:
        element = etree.SubElement(parent, _ns("Definition"), Name=self._name(definition.name))
        if definition.option_set:
            element.set("IsOptionSet", "true")
        if definition.union:
            element.set("IsUnion", "true")
        for item in definition.fields:
            field = etree.SubElement(element, _ns("Field"), Name=item.name)
            if item.value is not None:
                field.set("Value", str(item.value))
                continue
            field.set("DataType", self._id(item.data_type))
            if item.value_rank != -1:
                field.set("ValueRank", str(item.value_rank))
            if item.array_dimensions:
                field.set("ArrayDimensions", ",".join(str(length) for length in item.array_dimensions))
            if item.optional:
                field.set("IsOptional", "true")
            if item.allow_subtypes:
                field.set("AllowSubTypes", "true")

    def _value(self, parent: etree._Element, value: Value) -> None:
        nsmap = {None: TYPES_NS}
        if not value.array:
            self._item(etree.SubElement(parent, _types(value.type), nsmap=nsmap), value.items[0])
            return
        element = etree.SubElement(parent, _types(f"ListOf{value.type}"), nsmap=nsmap)
        for item in value.items:
            self._item(etree.SubElement(element, _types(value.type)), item)

    def _item(self, element: etree._Element, item: ValueItem) -> None:
        if isinstance(item, Structure):
            type_id = etree.SubElement(element, _types("TypeId"))
            etree.SubElement(type_id, _types("Identifier")).text = self._id(item.type_id)
            self._body(etree.SubElement(element, _types("Body")), item.body)
        elif isinstance(item, NodeKey):
            etree.SubElement(element, _types("Identifier")).text = self._id(item)
        elif isinstance(item, Name):
            etree.SubElement(element, _types("NamespaceIndex")).text = str(self._index[item.uri])
            etree.SubElement(element, _types("Name")).text = item.text
        elif isinstance(item, Text):
            if item.locale:
                etree.SubElement(element, _types("Locale")).text = item.locale
            etree.SubElement(element, _types("Text")).text = item.text
        elif isinstance(item, bool):
            element.text = str(item).lower()
        elif isinstance(item, bytes):
            element.text = base64.b64encode(item).decode("ascii")
        else:
            element.text = str(item)

    def _body(self, parent: etree._Element, body: Body) -> None:
        element = etree.SubElement(parent, _types(body.name))
        if body.children:
            for child in body.children:
                self._body(element, child)
        elif body.name == "Identifier":
            element.text = self._id(node_key(body.text))
        elif body.name == "NamespaceIndex":
            element.text = str(self._index[body.text])
        else:
            element.text = body.text


def node_key(text: str) -> NodeKey:
    """The NodeKey of the text that `str` of one makes."""
    if not text.startswith("nsu="):
        return NodeKey(UA_URI, text)
    uri, _, identifier = text.removeprefix("nsu=").partition(";")
    return NodeKey(uri, identifier)


def _model(parent: etree._Element, tag: str, model: RequiredModel) -> etree._Element:
    element = etree.SubElement(parent, _ns(tag), ModelUri=model.uri)
    for name, text in (
        ("XmlSchemaUri", model.schema_uri),
        ("Version", model.version),
        ("PublicationDate", model.publication_date),
    ):
        if text:
            element.set(name, text)
    return element


def _texts(parent: etree._Element, tag: str, texts: tuple[Text, ...]) -> None:
    for text in texts:
        element = etree.SubElement(parent, _ns(tag))
        if text.locale:
            element.set("Locale", text.locale)
        element.text = text.text


def _ns(tag: str) -> str:
    return f"{{{NODESET_NS}}}{tag}"


def _types(tag: str) -> str:
    return f"{{{TYPES_NS}}}{tag}"
