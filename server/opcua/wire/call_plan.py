"""Calls of methods that only compute, carried out from bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from server.core.clock import Clock
from server.opcua.nodes.keys import Key, NodeIdError, read_key
from server.opcua.nodes.node import METHOD, OBJECT
from server.opcua.nodes.store import NodeStore
from server.opcua.roles import BROWSE, CALL, Audience
from server.opcua.services.context import Request
from server.opcua.services.dispatch import NOT_MINE
from server.opcua.services.simple_method import SimpleMethod
from server.opcua.wire import to_ticks
from server.opcua.wire.headers import response_header
from server.opcua.wire.plans import NO_DIAGNOSTICS, Kept, id_end
from server.opcua.wire.write_plan import NUMBERS, WriteAudit

CALL_RESPONSE = 715
"""CallResponse_Encoding_DefaultBinary."""
_HAS_COMPONENT = 47
_COUNT = struct.Struct("<i")
_ONE = _COUNT.pack(1)
_GOOD_EMPTY = bytes(12)
"""A Good StatusCode, no InputArgumentResults, no InputArgumentDiagnosticInfos."""
_ENTRY_BYTES = 500


class Plan(NamedTuple):
    """One method of one object."""

    method: SimpleMethod
    inputs: struct.Struct  # encoding byte and value of each argument
    outputs: struct.Struct
    head: bytes  # of the CallMethodResult, up to the number of outputs


def _variants(kinds: tuple[int, ...]) -> struct.Struct:
    return struct.Struct("<" + "".join("B" + NUMBERS[kind] for kind in kinds))


class CallPlans:
    """Fast handler of Call. A request that it leaves to the service had no effect: the methods are pure."""

    def __init__(
        self,
        store: NodeStore,
        clock: Clock,
        audit: WriteAudit,
        methods: Mapping[tuple[Key, Key], SimpleMethod],
        most_calls: int,
        most_bytes: int = 4_000_000,
    ) -> None:
        self._store = store
        self._clock = clock
        self._audit = audit
        self._methods = methods
        self._most_calls = most_calls
        self._plans: Kept[Plan] = Kept(most_bytes)
        self._version = 0

    def __call__(self, request: Request) -> bytes:
        """The whole response body, or NOT_MINE."""
        body, at = request.body, request.at
        if len(body) < at + 12 or self._audit.wanted:
            return NOT_MINE
        count = _COUNT.unpack_from(body, at)[0]
        if not 1 <= count <= self._most_calls:
            return NOT_MINE
        if self._store.version != self._version:
            self._plans.clear()
            self._version = self._store.version
        audience = request.session.audience  # type: ignore[union-attr]  # the dispatcher has put it there
        results = self._results(audience, body, at + 4, count)
        if results is None:
            return NOT_MINE
        head = response_header(CALL_RESPONSE, request.handle, to_ticks(self._clock.now()))
        if count == 1:
            return head + _ONE + results[0] + NO_DIAGNOSTICS
        return b"".join((head, _COUNT.pack(count), *results, NO_DIAGNOSTICS))

    def _results(self, audience: Audience, body: bytes, at: int, count: int) -> list[bytes] | None:
        results = []
        try:
            for _ in range(count):
                end = id_end(body, id_end(body, at)) + 4
                named = body[at:end]
                plan = self._plans.get((audience, named))
                if plan is None:
                    plan = self._plan(audience, named)
                    if plan is None:
                        return None
                method = plan.method
                fields = plan.inputs.unpack_from(body, end)
                if fields[::2] != method.inputs:
                    return None
                values = method.function(*fields[1::2])
                at = end + plan.inputs.size
                if len(values) == 1:
                    results.append(plan.head + plan.outputs.pack(method.outputs[0], values[0]))
                else:
                    pairs = [part for pair in zip(method.outputs, values, strict=True) for part in pair]
                    results.append(plan.head + plan.outputs.pack(*pairs))
        except (NodeIdError, IndexError, struct.error, OverflowError):
            return None
        return results if at == len(body) else None

    def _plan(self, audience: Audience, named: bytes) -> Plan | None:
        """A method that may be called, checked as the service does (OPC 10000-4, 5.12.2).

        `named` are ObjectId, MethodId and the number of arguments.
        """
        object_key, at = read_key(named, 0)
        method_key, at = read_key(named, at)
        given = _COUNT.unpack_from(named, at)[0]
        method = self._methods.get((object_key, method_key))
        if method is None or not all(kind in NUMBERS for kind in (*method.inputs, *method.outputs)):
            return None
        if given != len(method.inputs) or at + 4 != len(named):
            return None
        owner, node = self._store.get(object_key), self._store.get(method_key)
        if owner is None or node is None or not self._store.linked(object_key, _HAS_COMPONENT, method_key):
            return None
        if owner.shape.node_class != OBJECT or node.shape.node_class != METHOD or not node.shape.executable:
            return None
        if audience.insecure(owner) or audience.insecure(node):
            return None
        if not audience.has(owner, BROWSE) or not audience.has(node, CALL):
            return None
        head = _GOOD_EMPTY + _COUNT.pack(len(method.outputs))
        plan = Plan(method, _variants(method.inputs), _variants(method.outputs), head)
        self._plans.put((audience, named), plan, len(named) + _ENTRY_BYTES)
        return plan
