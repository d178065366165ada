"""Legacy type dictionaries (OPC 10000-5 Annex D, deprecated) made from the definitions of a file.

Old clients read them to decode structures; new ones use the DataTypeDefinition attribute.
"""

from __future__ import annotations

from asyncua import ua
from lxml import etree

from server.opcua.nodesets.model import (
    HAS_SUBTYPE,
    UA_URI,
    Definition,
    FieldDef,
    Node,
    NodeClass,
    NodeKey,
    NodeSetFile,
    base,
)

_BINARY_NS = "http://opcfoundation.org/BinarySchema/"
_SCHEMA_NS = "http://www.w3.org/2001/XMLSchema"
_TYPES_NS = "http://opcfoundation.org/UA/2008/02/Types.xsd"
_XML_NATIVE = {
    "Boolean": "boolean",
    "SByte": "byte",
    "Byte": "unsignedByte",
    "Int16": "short",
    "UInt16": "unsignedShort",
    "Int32": "int",
    "UInt32": "unsignedInt",
    "Int64": "long",
    "UInt64": "unsignedLong",
    "Float": "float",
    "Double": "double",
    "String": "string",
    "DateTime": "dateTime",
    "ByteString": "base64Binary",
}
_BINARY_NATIVE = {*_XML_NATIVE, "Guid"}


def binary_dictionary(file: NodeSetFile) -> bytes:
    """The OPC Binary schema of the file's enumerations and structures."""
    prefixes = _prefixes(file)
    names = {"opc": _BINARY_NS, **prefixes}
    root = etree.Element(f"{{{_BINARY_NS}}}TypeDictionary", nsmap=names)
    root.set("DefaultByteOrder", "LittleEndian")
    root.set("TargetNamespace", file.model_uri)
    for uri in prefixes.values():
        if uri != file.model_uri:
            etree.SubElement(root, f"{{{_BINARY_NS}}}Import", Namespace=uri)
    types = _types(file)
    for node, definition in types.values():
        if definition.is_enumeration:
            element = etree.SubElement(root, f"{{{_BINARY_NS}}}EnumeratedType", Name=definition.name.text)
            element.set("LengthInBits", "32")
            if definition.option_set:
                # As an enumeration, the set without any bit needs a name too.
                etree.SubElement(element, f"{{{_BINARY_NS}}}EnumeratedValue", Name="None", Value="0")
            for item in definition.fields:
                # Bits of an option set are numbers of bits; the enumeration lists their masks.
                number = 1 << (item.value or 0) if definition.option_set else item.value
                etree.SubElement(element, f"{{{_BINARY_NS}}}EnumeratedValue", Name=item.name, Value=str(number))
            continue
        element = etree.SubElement(root, f"{{{_BINARY_NS}}}StructuredType", Name=definition.name.text)
        element.set("BaseType", _binary_base(node, types, prefixes))
        for item in _inherited(node, types):
            _binary_field(element, item, types, prefixes)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8", pretty_print=True))


def _binary_base(node: Node, types: dict[NodeKey, tuple[Node, Definition]], prefixes: dict[str, str]) -> str:
    parent = _supertype(node)
    if parent in types:
        return _qualified(parent, types, prefixes)
    return "ua:ExtensionObject"


def _binary_field(
    element: etree._Element, item: FieldDef, types: dict[NodeKey, tuple[Node, Definition]], prefixes: dict[str, str]
) -> None:
    name = _base_name(item.data_type)
    type_name = f"opc:{name}" if name in _BINARY_NATIVE else _qualified(item.data_type, types, prefixes)
    if item.value_rank >= 1:
        etree.SubElement(element, f"{{{_BINARY_NS}}}Field", Name=f"NoOf{item.name}", TypeName="opc:Int32")
        etree.SubElement(
            element,
            f"{{{_BINARY_NS}}}Field",
            Name=item.name,
            TypeName=type_name,
            LengthField=f"NoOf{item.name}",
        )
    else:
        etree.SubElement(element, f"{{{_BINARY_NS}}}Field", Name=item.name, TypeName=type_name)


def xml_dictionary(file: NodeSetFile) -> bytes:
    """The XML schema of the file's enumerations and structures."""
    prefixes = {prefix: _schema_uri(uri, file) for prefix, uri in _prefixes(file).items()}
    root = etree.Element(f"{{{_SCHEMA_NS}}}schema", nsmap={"xs": _SCHEMA_NS, **prefixes})
    root.set("targetNamespace", prefixes["tns"])
    root.set("elementFormDefault", "qualified")
    for uri in prefixes.values():
        if uri != prefixes["tns"]:
            etree.SubElement(root, f"{{{_SCHEMA_NS}}}import", namespace=uri)
    types = _types(file)
    for node, definition in types.values():
        name = definition.name.text
        if definition.is_enumeration and not definition.option_set:
            simple = etree.SubElement(root, f"{{{_SCHEMA_NS}}}simpleType", name=name)
            restriction = etree.SubElement(simple, f"{{{_SCHEMA_NS}}}restriction", base="xs:string")
            for item in definition.fields:
                etree.SubElement(restriction, f"{{{_SCHEMA_NS}}}enumeration", value=f"{item.name}_{item.value}")
        elif not definition.is_enumeration:
            sequence = _complex_type(root, node, name, types, prefixes)
            for item in definition.fields:
                _xml_field(sequence, item, types, prefixes)
        else:
            continue
        etree.SubElement(root, f"{{{_SCHEMA_NS}}}element", name=name, type=f"tns:{name}")
        listed = etree.SubElement(root, f"{{{_SCHEMA_NS}}}complexType", name=f"ListOf{name}")
        sequence = etree.SubElement(listed, f"{{{_SCHEMA_NS}}}sequence")
        etree.SubElement(
            sequence, f"{{{_SCHEMA_NS}}}element", name=name, type=f"tns:{name}", minOccurs="0", maxOccurs="unbounded"
        )
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8", pretty_print=True))


def _complex_type(
    root: etree._Element,
    node: Node,
    name: str,
    types: dict[NodeKey, tuple[Node, Definition]],
    prefixes: dict[str, str],
) -> etree._Element:
    element = etree.SubElement(root, f"{{{_SCHEMA_NS}}}complexType", name=name)
    parent = _supertype(node)
    if parent in types:
        content = etree.SubElement(element, f"{{{_SCHEMA_NS}}}complexContent")
        element = etree.SubElement(content, f"{{{_SCHEMA_NS}}}extension", base=_qualified(parent, types, prefixes))
    return etree.SubElement(element, f"{{{_SCHEMA_NS}}}sequence")


def _xml_field(
    sequence: etree._Element, item: FieldDef, types: dict[NodeKey, tuple[Node, Definition]], prefixes: dict[str, str]
) -> None:
    name = _base_name(item.data_type)
    if item.value_rank >= 1:
        qualified = _qualified(item.data_type, types, prefixes)
        prefix, _, local = qualified.partition(":")
        type_name = f"{prefix}:ListOf{local}"
    elif name in _XML_NATIVE:
        type_name = f"xs:{_XML_NATIVE[name]}"
    else:
        type_name = _qualified(item.data_type, types, prefixes)
    etree.SubElement(sequence, f"{{{_SCHEMA_NS}}}element", name=item.name, type=type_name, minOccurs="0")


def _types(file: NodeSetFile) -> dict[NodeKey, tuple[Node, Definition]]:
    return {
        node.node_id: (node, node.definition)
        for node in file.nodes
        if node.node_class is NodeClass.DATA_TYPE and node.definition is not None
    }


def _inherited(node: Node, types: dict[NodeKey, tuple[Node, Definition]]) -> list[FieldDef]:
    parent = _supertype(node)
    inherited = _inherited(types[parent][0], types) if parent in types else []
    return [*inherited, *types[node.node_id][1].fields]


def _supertype(node: Node) -> NodeKey:
    for reference in node.references:
        if reference.type == HAS_SUBTYPE and not reference.forward:
            return reference.target
    return base(24)


def _prefixes(file: NodeSetFile) -> dict[str, str]:
    others = [model.uri for model in file.required_models if model.uri != UA_URI]
    return {"tns": file.model_uri, "ua": UA_URI, **{f"m{number}": uri for number, uri in enumerate(others, start=1)}}


def _schema_uri(uri: str, file: NodeSetFile) -> str:
    if uri == UA_URI:
        return _TYPES_NS
    if uri == file.model_uri and file.schema_uri:
        return file.schema_uri
    return f"{uri.rstrip('/')}/Types.xsd"


def _base_name(key: NodeKey) -> str:
    name = ua.ObjectIdNames.get(int(key.identifier[2:]), "") if key.uri == UA_URI else ""
    return "ExtensionObject" if name == "Structure" else "Variant" if name == "BaseDataType" else name


def _qualified(key: NodeKey, types: dict[NodeKey, tuple[Node, Definition]], prefixes: dict[str, str]) -> str:
    if key in types:
        return f"tns:{types[key][1].name.text}"
    name = _base_name(key)
    if name:
        return f"ua:{name}"
    prefix = next((prefix for prefix, uri in prefixes.items() if uri == key.uri), "ua")
    return f"{prefix}:{key.identifier}"
