"""A small hand-made address space and a dispatcher over it: services without sockets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from server.core.clock import ManualClock
from server.core.values import Caller
from server.opcua.nodes.keys import Key, key_of, node_id_of, wire_of
from server.opcua.nodes.node import (
    DATA_TYPE,
    METHOD,
    OBJECT,
    OBJECT_TYPE,
    REFERENCE_TYPE,
    VARIABLE,
    VARIABLE_TYPE,
    VIEW,
    Node,
    Shape,
)
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import new_point
from server.opcua.roles import MODE_SIGN_AND_ENCRYPT, ROLE_NAMES, Rights
from server.opcua.services.context import Session
from server.opcua.services.dispatch import Dispatcher
from tests.kit.channels import FakeChannel

REFERENCES, NON_HIERARCHICAL, HIERARCHICAL, HAS_CHILD, ORGANIZES = 31, 32, 33, 34, 35
HAS_EVENT_SOURCE, HAS_MODELLING_RULE, HAS_TYPE_DEFINITION = 36, 37, 40
AGGREGATES, HAS_SUBTYPE, HAS_PROPERTY, HAS_COMPONENT, HAS_ORDERED_COMPONENT = 44, 45, 46, 47, 49
BASE_OBJECT_TYPE, FOLDER_TYPE, BASE_VARIABLE_TYPE, BASE_DATA_VARIABLE_TYPE, PROPERTY_TYPE = 58, 61, 62, 63, 68
MANDATORY, OPTIONAL = 78, 80
ROOT, OBJECTS, VIEWS = 84, 85, 87
_SUBTYPES = (
    (REFERENCE_TYPE, REFERENCES, (NON_HIERARCHICAL, HIERARCHICAL)),
    (REFERENCE_TYPE, HIERARCHICAL, (HAS_CHILD, ORGANIZES, HAS_EVENT_SOURCE)),
    (REFERENCE_TYPE, HAS_CHILD, (AGGREGATES, HAS_SUBTYPE)),
    (REFERENCE_TYPE, AGGREGATES, (HAS_PROPERTY, HAS_COMPONENT)),
    (REFERENCE_TYPE, HAS_COMPONENT, (HAS_ORDERED_COMPONENT,)),
    (REFERENCE_TYPE, NON_HIERARCHICAL, (HAS_MODELLING_RULE, HAS_TYPE_DEFINITION)),
    (OBJECT_TYPE, BASE_OBJECT_TYPE, (FOLDER_TYPE,)),
    (VARIABLE_TYPE, BASE_VARIABLE_TYPE, (BASE_DATA_VARIABLE_TYPE, PROPERTY_TYPE)),
    (DATA_TYPE, 24, (*range(1, 24), 25, 26, 29)),
    (DATA_TYPE, 26, (27, 28)),
    (DATA_TYPE, 22, (296,)),
)


def scalar(value: Any, kind: ua.VariantType) -> ua.DataValue:
    """A Good value without times."""
    return ua.DataValue(ua.Variant(value, kind))


class ServiceSpace:
    """Types of namespace 0, Root, Objects and Views; whatever a test adds."""

    def __init__(self) -> None:
        self.store = NodeStore()
        self.rights = Rights()
        for node_class, parent, children in _SUBTYPES:
            for key in (parent, *children):
                if self.store.peek(key) is None:
                    self.add(key, f"Type{key}", node_class)
            for key in children:
                self.store.link(parent, HAS_SUBTYPE, key)
        for key, name in ((ROOT, "Root"), (OBJECTS, "Objects"), (VIEWS, "Views")):
            self.add(key, name, OBJECT, type_key=FOLDER_TYPE)
        self.store.link(ROOT, ORGANIZES, OBJECTS)
        self.store.link(ROOT, ORGANIZES, VIEWS)

    def translated(self, shown: ua.LocalizedText, locales: Iterable[str]) -> ua.LocalizedText:
        """German names end with "!de"."""
        return ua.LocalizedText(f"{shown.Text}!de", "de") if "de" in tuple(locales) else shown

    def add(
        self,
        key: Key,
        name: str,
        node_class: int = OBJECT,
        *,
        parent: Key | None = None,
        reference: Key = HAS_COMPONENT,
        type_key: Key | None = None,
        value: ua.DataValue | None = None,
        index: int = 0,
        **shape: Any,
    ) -> Node:
        """A node below a parent."""
        node = Node(key, self.store.shape(Shape(node_class, **shape)), ua.QualifiedName(name, index))
        self.store.add(node)
        if node_class in (OBJECT, VARIABLE):
            default = BASE_OBJECT_TYPE if node_class == OBJECT else BASE_DATA_VARIABLE_TYPE
            self.store.link(key, HAS_TYPE_DEFINITION, type_key or default, inverse=False)
        if value is not None:
            node.point = new_point(value)
        if parent is not None:
            self.store.link(parent, reference, key)
        return node

    def inputs(self, method: Key, *arguments: tuple[str, int, int]) -> None:
        """The InputArguments property of a Method: (name, data type, rank)."""
        entries = [ua.Argument(name, ua.NodeId(kind), rank) for name, kind, rank in arguments]
        value = ua.DataValue(ua.Variant(entries, ua.VariantType.ExtensionObject, is_array=True))
        key = (1, f"{method}/InputArguments")
        self.add(
            key,
            "InputArguments",
            VARIABLE,
            parent=method,
            reference=HAS_PROPERTY,
            type_key=PROPERTY_TYPE,
            value=value,
            rank=1,
            data_type=296,
        )


class ServiceRig:
    """A dispatcher with sessions of any role; requests go in as bytes, answers come out as structures."""

    def __init__(self, space: ServiceSpace) -> None:
        self.space = space
        self.clock = ManualClock()
        self.sessions: dict[bytes, Session] = {}
        self.dispatcher = Dispatcher(self, self.clock)
        self.channel = FakeChannel()

    def find(self, token: bytes) -> Session | None:
        """The session table."""
        return self.sessions.get(token)

    def session(
        self, role: str = "operator", mode: int = MODE_SIGN_AND_ENCRYPT, locales: tuple[str, ...] = ()
    ) -> Session:
        """An activated session."""
        token = wire_of((0, len(self.sessions).to_bytes(32, "big")))
        session = Session(
            ua.NodeId(len(self.sessions), 1),
            token,
            self.channel,
            Caller(role, role, "opcua"),
            self.space.rights.audience(ROLE_NAMES[role], mode),
        )
        session.activated = True
        session.locales = locales
        self.sessions[token] = session
        return session

    def body(self, session: Session, request: Any) -> bytes:
        """A request as the session's client sends it."""
        request.RequestHeader.AuthenticationToken = ua.NodeId(session.token[7:], 0)
        request.RequestHeader.RequestHandle = 77
        return struct_to_binary(request)

    def bytes_of(self, session: Session, request: Any) -> bytes:
        """The answer's bytes."""
        before = len(self.channel.sent)
        self.dispatcher.message(self.channel, 1, self.body(session, request))
        assert len(self.channel.sent) == before + 1, "no answer, or several"
        return self.channel.sent[-1][1]

    def ask(self, session: Session, request: Any) -> Any:
        """The answer; a ServiceFault is one."""
        return answer_of(self.bytes_of(session, request))


def answer_of(body: bytes) -> Any:
    """The response structure of a message body."""
    number = int.from_bytes(body[2:4], "little")
    return struct_from_binary(ua.extension_objects_by_typeid[ua.NodeId(number)], Buffer(body))


def result_of(answer: Any) -> int:
    """The service result."""
    return int(answer.ResponseHeader.ServiceResult.value)


__all__ = [
    "METHOD",
    "OBJECT",
    "OBJECT_TYPE",
    "VARIABLE",
    "VIEW",
    "ServiceRig",
    "ServiceSpace",
    "answer_of",
    "key_of",
    "node_id_of",
    "result_of",
    "scalar",
]
