"""Declarative sources -> NodeSetFile. Names are resolved, defaults filled in, both ends of references written.

The format is described in `nodesets/README.md`. Every mistake of every file is reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from asyncua import ua

from server.opcua.nodesets import literals
from server.opcua.nodesets.dictionary import binary_dictionary, xml_dictionary
from server.opcua.nodesets.model import (
    HAS_COMPONENT,
    HAS_DESCRIPTION,
    HAS_ENCODING,
    HAS_MODELLING_RULE,
    HAS_PROPERTY,
    HAS_SUBTYPE,
    HAS_TYPE_DEFINITION,
    UA_URI,
    Definition,
    FieldDef,
    Name,
    Node,
    NodeClass,
    NodeKey,
    NodeSetError,
    NodeSetFile,
    Reference,
    Text,
    Value,
    at,
    base,
)
from server.opcua.nodesets.table import Line, Table, read_table
from server.opcua.nodesets.values import ValueFormatError

_T = TypeVar("_T")
_ORPHAN = "orphan"  # flag of a line below a wrong one: said once is enough

KINDS = {
    "objecttype": NodeClass.OBJECT_TYPE,
    "variabletype": NodeClass.VARIABLE_TYPE,
    "datatype": NodeClass.DATA_TYPE,
    "referencetype": NodeClass.REFERENCE_TYPE,
    "object": NodeClass.OBJECT,
    "variable": NodeClass.VARIABLE,
    "property": NodeClass.VARIABLE,
    "method": NodeClass.METHOD,
    "input": NodeClass.VARIABLE,
    "output": NodeClass.VARIABLE,
    "binary": NodeClass.OBJECT,
    "xml": NodeClass.OBJECT,
    "json": NodeClass.OBJECT,
}
"""First words of lines that make a node."""

RULES = {"M": base(78), "O": base(80), "MP": base(11510), "OP": base(11508), "EI": base(83)}
"""Modelling rules: mandatory, optional, their placeholders, exposes its array."""

_TYPES = {"objecttype", "variabletype", "datatype", "referencetype"}
_ARGUMENTS = {"input": "InputArguments", "output": "OutputArguments"}
_ENCODINGS = {"binary": "Default Binary", "xml": "Default XML", "json": "Default JSON"}
_FLAGS = {"abstract", "symmetric", "deprecated", "parentless"}
_OPTION = re.compile(r"(inverse|as)=(.+)|(events|access|rank)=(-?\d{1,9})|(dims)=([\d,]+|-)")
_TYPE = re.compile(r"([^\[\]]+)(?:\[(\d*)\])?")


@dataclass(slots=True)
class _Draft:
    """A node while its words are read; names are still to be resolved."""

    line: Line
    kind: str
    key: NodeKey
    name: Name
    parent: _Draft | None
    words: list[str]
    options: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    literal: list[str] | None = None
    rest: list[str] = field(default_factory=list)
    definition: Definition | None = None
    references: list[Reference] = field(default_factory=list)


def read_sources(folder: Path) -> list[NodeSetFile]:
    """Every `*.nodes` file of a folder, in the order of the file names.

    Raises NodeSetError with every mistake of every file, each with file and line.
    """
    problems: list[str] = []
    paths = sorted(folder.glob("*.nodes"))
    if not paths:
        raise NodeSetError([f"{folder}: no .nodes source here"])
    sources = [_Source(read_table(path, problems), problems) for path in paths]
    names = {source.table.model.uri: source.names for source in sources}
    files = [source.finish(names) for source in sources]
    if problems:
        raise NodeSetError(problems)
    return files


class _Source:
    """One source file: drafts first, so that names may be used before their line."""

    def __init__(self, table: Table, problems: list[str]) -> None:
        self.table = table
        self.names: dict[str, NodeKey] = {}
        self._problems = problems
        self._known: dict[str, dict[str, NodeKey]] = {}
        self._drafts: dict[NodeKey, _Draft] = {}
        for line in table.lines:
            self._draft(line, None)

    def finish(self, known: dict[str, dict[str, NodeKey]]) -> NodeSetFile:
        """The finished file; `known` holds the type names of every source by model URI."""
        self._known = known
        table = self.table
        for draft in self._drafts.values():
            for child in draft.line.children:
                self._guard(child.number, self._detail, draft, child)
        nodes = []
        for draft in self._drafts.values():
            node = self._guard(draft.line.number, self._node, draft)
            if node is not None:
                nodes.append(node)
        nodes = _with_both_ends(nodes)
        file = NodeSetFile(
            table.path,
            table.model.uri,
            table.model.version,
            table.model.publication_date,
            tuple(table.required),
            tuple(nodes),
            tuple(uri for uri in table.aliases.values() if uri != UA_URI),
            table.model.schema_uri,
        )
        return replace(file, nodes=tuple(self._dictionary(node, file) for node in nodes))

    def _guard(self, number: int, step: Callable[..., _T], *arguments: object) -> _T | None:
        try:
            return step(*arguments)
        except ValueFormatError as problem:
            self._problems.append(at(self.table.path, number, str(problem)))
            return None

    # First pass: which nodes there are, and the names of types.

    def _draft(self, line: Line, parent: _Draft | None) -> _Draft | None:
        draft = self._guard(line.number, self._head, line, parent)
        for child in line.children:
            if child.words[0] in KINDS:
                below = self._draft(child, draft)
                if draft is None and below is not None:
                    below.flags.add(_ORPHAN)
        return draft

    def _head(self, line: Line, parent: _Draft | None) -> _Draft:
        kind, words = line.words[0], line.words[1:]
        if kind not in KINDS:
            raise ValueFormatError(f"'{kind}' is no kind of node; known are {', '.join(KINDS)}")
        if not words:
            raise ValueFormatError(f"'{kind}' needs an id")
        key = NodeKey(self.table.model.uri, f"i={words[0]}" if words[0].isdigit() else words[0])
        if not re.fullmatch(r"i=\d{1,10}|s=.+", key.identifier):
            raise ValueFormatError(f"'{words[0]}' is not an id: a number or s=text")
        if key in self._drafts:
            raise ValueFormatError(f"id {words[0]} is already used in line {self._drafts[key].line.number}")
        if kind in _ARGUMENTS:
            name, rest = Name(UA_URI, _ARGUMENTS[kind]), words[1:]
        elif kind in _ENCODINGS:
            name, rest = Name(UA_URI, _ENCODINGS[kind]), words[1:]
        elif len(words) < 2:
            raise ValueFormatError(f"'{kind} {words[0]}' needs a name")
        else:
            name, rest = self._browse_name(words[1]), words[2:]
        draft = _Draft(line, kind, key, name, parent, rest)
        if kind in _TYPES and self.names.setdefault(name.text, key) != key:
            raise ValueFormatError(f"the type name {name.text} is already used")
        self._words(draft)
        self._drafts[key] = draft
        return draft

    def _browse_name(self, word: str) -> Name:
        prefix, _, text = word.partition(":") if not word.startswith('"') else ("", "", word)
        if text and prefix in self.table.aliases:
            return Name(self.table.aliases[prefix], literals.unquote(text))
        return Name(self.table.model.uri, literals.unquote(word))

    def _words(self, draft: _Draft) -> None:
        words = iter(draft.words)
        for word in words:
            if word == "=":
                draft.literal = list(words)
            elif word in (":", "<", "is", "via", "of"):
                draft.options[word] = next(words, "")
                if not draft.options[word]:
                    raise ValueFormatError(f"nothing follows '{word}'")
            elif word in RULES:
                draft.options["rule"] = word
            elif word in _FLAGS:
                draft.flags.add(word)
            elif (found := _OPTION.fullmatch(word)) is not None:
                name, text = (part for part in found.groups() if part is not None)
                draft.options[name] = literals.unquote(text)
            elif word.startswith("(") or (word.startswith("#") and draft.kind in _ENCODINGS):
                draft.rest.append(word)
            else:
                raise ValueFormatError(f"'{word}' is not understood here")

    # Second pass: names are known.

    def _target(self, word: str) -> NodeKey:
        prefix, _, rest = word.partition(":")
        if not rest:
            prefix, rest = "", word
        if prefix and prefix not in self.table.aliases:
            raise ValueFormatError(f"alias '{prefix}' is not declared by 'model' or 'requires'")
        uri = self.table.aliases[prefix] if prefix else self.table.model.uri
        if rest.startswith("#"):
            key = NodeKey(uri, f"i={rest[1:]}" if rest[1:].isdigit() else rest[1:])
            if uri == self.table.model.uri and key not in self._drafts:
                raise ValueFormatError(f"node {rest} is not in this file")
            return key
        if rest in self._known.get(uri, {}):
            return self._known[uri][rest]
        number = getattr(ua.ObjectIds, rest, None) if uri == UA_URI or not prefix else None
        if not isinstance(number, int):
            raise ValueFormatError(f"'{word}' names no type of this file, its required models or the base namespace")
        return base(number)

    def _detail(self, draft: _Draft, line: Line) -> None:
        word, rest = line.words[0], line.words[1:]
        if word in KINDS:
            return
        if word in ("->", "<-"):
            if len(rest) != 2:
                raise ValueFormatError(f"write '{word} REFERENCETYPE TARGET'")
            draft.references.append(Reference(self._target(rest[0]), self._target(rest[1]), word == "->", line.number))
        elif word in ("enum", "bits") and draft.kind == "datatype":
            fields = tuple(FieldDef(name, number) for name, number in literals.numbered(rest))
            draft.definition = Definition(draft.name, fields, option_set=word == "bits")
        elif word in ("struct", "union") and draft.kind == "datatype":
            draft.definition = Definition(draft.name, self._fields(rest), union=word == "union")
        else:
            raise ValueFormatError(f"'{word}' is not understood below '{draft.kind}'")

    def _fields(self, words: list[str]) -> tuple[FieldDef, ...]:
        fields = []
        for name, type_word in literals.pairs(words):
            data_type, rank, length = self._typed(type_word)
            dimensions = length if any(length) else ()
            fields.append(FieldDef(name.rstrip("?"), None, data_type, rank, dimensions, optional=name.endswith("?")))
        return tuple(fields)

    def _typed(self, word: str) -> tuple[NodeKey, int, tuple[int, ...]]:
        found = _TYPE.fullmatch(word)
        if found is None:
            raise ValueFormatError(f"'{word}' is not a type; write Name, Name[] or Name[length]")
        name, length = found.groups()
        return self._target(name), -1 if length is None else 1, () if length is None else (int(length or 0),)

    def _node(self, draft: _Draft) -> Node:
        options = draft.options
        node_class = KINDS[draft.kind]
        value: Value | None = None
        data_type: NodeKey | None = None
        rank = -1
        dimensions: tuple[int, ...] = ()
        if draft.kind in _ARGUMENTS:
            fields = self._fields(draft.rest)
            data_type, rank = base(296), 1
            dimensions = (len(fields) if self.table.count_arguments else 0,)
            value = Value("ExtensionObject", tuple(literals.argument(item) for item in fields), array=True)
        elif node_class in (NodeClass.VARIABLE, NodeClass.VARIABLE_TYPE):
            data_type, rank, dimensions = self._typed(options.get(":", "ua:BaseDataType"))
        rank = int(options.get("rank", rank))
        if "dims" in options:
            dimensions = tuple(int(part) for part in options["dims"].split(",") if part.isdigit())
        if draft.literal is not None and data_type is not None:
            value = self._value(draft, data_type, rank)
        return Node(
            node_id=draft.key,
            node_class=node_class,
            browse_name=draft.name,
            display_name=(Text("", draft.name.text),),
            references=tuple(self._references(draft)),
            parent=draft.parent.key if draft.parent else None,
            inverse_name=(Text("", options["inverse"]),) if "inverse" in options else (),
            is_abstract="abstract" in draft.flags,
            symmetric="symmetric" in draft.flags,
            data_type=data_type,
            value_rank=rank,
            array_dimensions=dimensions,
            access_level=int(options.get("access", "1")),
            event_notifier=int(options.get("events", "0")),
            method_declaration=self._target(options["of"]) if "of" in options else None,
            release_status="Deprecated" if "deprecated" in draft.flags else "Released",
            value=value,
            definition=draft.definition,
            line=draft.line.number,
        )

    def _value(self, draft: _Draft, data_type: NodeKey, rank: int) -> Value:
        words = draft.literal or []
        if words in (["@names"], ["@values"]):
            definition = draft.parent.definition if draft.parent else None
            if definition is None:
                raise ValueFormatError(f"{words[0]} needs an enumeration above")
            return literals.names(definition) if words == ["@names"] else literals.enum_values(definition)
        if words in (["@binary-schema"], ["@xml-schema"]):
            return Value("ByteString", (words[0],))
        own = ua.ObjectIdNames.get(int(data_type.identifier[2:]), "") if data_type.uri == UA_URI else ""
        kind = draft.options.get("as", own)
        return literals.value(kind, words, array=rank >= 1, browse_name=self._browse_name)

    def _dictionary(self, node: Node, file: NodeSetFile) -> Node:
        # The payload needs every definition of the file, so it is made last.
        if node.value is None or node.value.items not in (("@binary-schema",), ("@xml-schema",)):
            return node
        make = binary_dictionary if node.value.items == ("@binary-schema",) else xml_dictionary
        return replace(node, value=Value("ByteString", (make(file),)))

    def _references(self, draft: _Draft) -> list[Reference]:
        options, kind, line = draft.options, draft.kind, draft.line.number
        found: list[Reference] = []
        if kind in _TYPES:
            if "<" not in options:
                raise ValueFormatError("a type needs its supertype: '< SUPERTYPE'")
            found.append(Reference(HAS_SUBTYPE, self._target(options["<"]), False, line))
        elif draft.parent is not None:
            found.append(Reference(self._parent_type(draft), draft.parent.key, False, line))
        elif all(item.forward for item in draft.references) and not draft.flags & {"parentless", _ORPHAN}:
            raise ValueFormatError("nothing refers to this node; give it a '<-' line or the word parentless")
        if kind in _ENCODINGS:
            found.append(Reference(HAS_TYPE_DEFINITION, base(76), True, line))
            found += [Reference(HAS_DESCRIPTION, self._target(word), True, line) for word in draft.rest]
        elif kind in ("property", *_ARGUMENTS):
            found.append(Reference(HAS_TYPE_DEFINITION, base(68), True, line))
        elif kind in ("object", "variable"):
            default = "ua:BaseObjectType" if kind == "object" else "ua:BaseDataVariableType"
            found.append(Reference(HAS_TYPE_DEFINITION, self._target(options.get("is", default)), True, line))
        if "rule" in options:
            found.append(Reference(HAS_MODELLING_RULE, RULES[options["rule"]], True, line))
        return [*found, *draft.references]

    def _parent_type(self, draft: _Draft) -> NodeKey:
        if "via" in draft.options:
            return self._target(draft.options["via"])
        if draft.kind in _ENCODINGS:
            return HAS_ENCODING
        return HAS_PROPERTY if draft.kind in ("property", *_ARGUMENTS) else HAS_COMPONENT


def _with_both_ends(nodes: list[Node]) -> list[Node]:
    """Every reference between two nodes of the file, declared at both of them, each once."""
    wanted: dict[NodeKey, dict[Reference, None]] = {node.node_id: dict.fromkeys(node.references) for node in nodes}
    for node in nodes:
        for reference in node.references:
            if reference.target in wanted:
                mirrored = Reference(reference.type, node.node_id, not reference.forward, reference.line)
                wanted[reference.target][mirrored] = None
    return [replace(node, references=tuple(wanted[node.node_id])) for node in nodes]
