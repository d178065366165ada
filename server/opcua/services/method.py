"""Method service set: Call (OPC 10000-4 v1.05 §5.12). What methods do stands behind `MethodHandlers`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Protocol, TypeAlias

from asyncua import ua

from server.core.errors import IntegrationError
from server.opcua.datavalues import stack_status
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.node import METHOD, OBJECT, OBJECT_TYPE, Node
from server.opcua.nodes.store import HAS_SUBTYPE_KEY, NodeStore
from server.opcua.roles import BROWSE, CALL
from server.opcua.services.argument_check import check_count, check_types, declared_inputs
from server.opcua.services.context import Request, Session
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.fault import ServiceFault
from server.opcua.services.lanes import Held
from server.opcua.services.limits import OperationLimits, require_count

_S = ua.StatusCodes
HAS_COMPONENT_KEY = 47
HAS_INTERFACE_KEY = 17603
METHOD_SET = "MethodSet"
_DEEPEST = 64
"""Supertypes above each other that are followed."""

Outcome: TypeAlias = ua.CallMethodResult | Awaitable[ua.CallMethodResult]
MethodHandler = Callable[[Request, Key, Key, list[ua.Variant]], Outcome]
"""(request, ObjectId, MethodId, checked arguments) -> the result, at once or later.

May raise IntegrationError; its status is the operation's result. The keys are those that the client gave.
"""


class MethodHandlers(Protocol):
    """What carries methods out."""

    def find(self, object_key: Key, method_key: Key) -> MethodHandler | None:
        """The handler of a method of an object; None when nothing stands behind it."""


class CallAudit(Protocol):
    """Who writes AuditUpdateMethodEvents."""

    def called(
        self, request: Request, object_key: Key, method_key: Key, inputs: list[ua.Variant], code: int
    ) -> None: ...


_HOLDERS = frozenset({METHOD_SET, "ShelvingState"})
"""Parts of an Object whose Methods may be called at the Object itself."""


class MethodService:
    """Checks calls and hands them on, one after the other in the order of the request."""

    def __init__(self, store: NodeStore, limits: OperationLimits, audit: CallAudit, handlers: MethodHandlers) -> None:
        self._store = store
        self._limits = limits
        self._audit = audit
        self._handlers = handlers
        self._inputs: dict[tuple[Key, Key], list[ua.Argument]] = {}  # by Method and MethodId, as of `_version`
        self._version = 0

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer Call."""
        dispatcher.register("Call", self.call)

    def call(self, request: Request, params: ua.CallParameters) -> ua.CallResponse | Awaitable[ua.CallResponse]:
        """One CallMethodResult per call; waits only when a method does."""
        require_count(params.MethodsToCall, self._limits.call)
        results: list[ua.CallMethodResult] = []
        for index, wanted in enumerate(params.MethodsToCall):
            outcome = self.call_one(request, wanted)
            if isinstance(outcome, Awaitable):
                return Held(self._rest(request, params.MethodsToCall[index + 1 :], outcome, results), outcome)
            results.append(outcome)
        return _response(results)

    async def _rest(
        self,
        request: Request,
        waiting: Sequence[ua.CallMethodRequest],
        first: Awaitable[ua.CallMethodResult],
        results: list[ua.CallMethodResult],
    ) -> ua.CallResponse:
        results.append(await first)
        for wanted in waiting:
            outcome = self.call_one(request, wanted)
            results.append(await outcome if isinstance(outcome, Awaitable) else outcome)
        return _response(results)

    def call_one(self, request: Request, wanted: ua.CallMethodRequest) -> Outcome:
        """One call: every check, then the handler; audited with its outcome."""
        if request.session is None:
            raise ServiceFault(_S.BadSessionIdInvalid)
        arguments = list(wanted.InputArguments or ())
        object_key, method_key = key_of(wanted.ObjectId), key_of(wanted.MethodId)
        try:
            code, method = self._checked(request.session, object_key, method_key)
        except ServiceFault as fault:  # the Object cannot be made now; other calls may be carried out already
            code, method = fault.code, None
        handler = None
        if method is not None:
            handler = self._handlers.find(object_key, method_key) or self._handlers.find(object_key, method.key)
            if handler is None:
                code = _S.BadMethodInvalid
        argument_codes: list[int] = []
        if handler is not None and method is not None:
            code, argument_codes = self._arguments(method, method_key, arguments)
        if code or handler is None:
            self._audit.called(request, object_key, method_key, arguments, code)
            return _result(code, argument_codes)
        try:
            outcome = handler(request, object_key, method_key, arguments)
        except IntegrationError as error:
            outcome = _result(error.status)
        if isinstance(outcome, Awaitable):
            return Held(self._awaited(request, object_key, method_key, arguments, outcome), outcome)
        self._audit.called(request, object_key, method_key, arguments, outcome.StatusCode.value)
        return outcome

    async def _awaited(
        self,
        request: Request,
        object_key: Key,
        method_key: Key,
        arguments: list[ua.Variant],
        outcome: Awaitable[ua.CallMethodResult],
    ) -> ua.CallMethodResult:
        code = int(_S.BadRequestCancelledByClient)
        try:
            result = await outcome
            code = result.StatusCode.value
        except IntegrationError as error:
            code = error.status
            result = _result(code)
        finally:
            self._audit.called(request, object_key, method_key, arguments, code)
        return result

    # -- checks

    def _checked(self, session: Session, object_key: Key, method_key: Key) -> tuple[int, Node | None]:
        """(result, the Method whose Executable and permissions count); without arguments."""
        audience = session.audience
        node = self._store.get(object_key)
        if node is None:
            return _S.BadNodeIdUnknown, None
        if audience.insecure(node):
            return _S.BadSecurityModeInsufficient, None
        if not audience.has(node, BROWSE):
            return _S.BadUserAccessDenied, None
        if node.shape.node_class not in (OBJECT, OBJECT_TYPE):
            return _S.BadNodeIdInvalid, None
        method = self._store.get(method_key)
        if method is None or method.shape.node_class != METHOD:
            return _S.BadMethodInvalid, None
        found = self.method_of(node, method)
        if found is None:
            return _S.BadMethodInvalid, None
        if audience.insecure(found):
            return _S.BadSecurityModeInsufficient, None
        if not found.shape.executable:
            return _S.BadNotExecutable, None
        if not audience.has(found, CALL):
            return _S.BadUserAccessDenied, None
        return _S.Good, found

    def method_of(self, owner: Node, method: Node) -> Node | None:
        """The object's own Method for a MethodId of its own or of its type; None when it is none of either.

        Methods in the MethodSet of a device count as the device's (OPC 10000-100), those of a condition's ShelvingState
        as the condition's (OPC 10000-9, 5.8.17).
        """
        found = self._method_at(owner, method)
        if found is None:
            for key in self._components(owner.key):
                part = self._store.peek(key)
                if part is not None and part.name.Name in _HOLDERS and part.shape.node_class == OBJECT:
                    found = self._method_at(part, method)
                    if found is not None:
                        return found
        return found

    def _method_at(self, owner: Node, method: Node) -> Node | None:
        if self._has(owner.key, method.key):
            return method
        if not any(self._has(declaration, method.key) for declaration in self._declarations(owner)):
            return None
        for key in self._components(owner.key):
            node = self._store.peek(key)
            if node is not None and node.shape.node_class == METHOD and node.name == method.name:
                return node
        return method

    def _has(self, owner: Key, method: Key) -> bool:
        store = self._store
        return owner in store and any(store.linked(owner, kind, method) for kind in store.below(HAS_COMPONENT_KEY))

    def _components(self, owner: Key, *, forward: bool = True) -> Iterator[Key]:
        for kind in self._store.below(HAS_COMPONENT_KEY):
            yield from self._store.targets(owner, kind, forward=forward)

    def _declarations(self, owner: Node) -> Iterator[Key]:
        """Types of an object, and what it is an instance of in the types of its parents (OPC 10000-3, 6.2)."""
        yield from self._types(owner)
        for parent_key in self._components(owner.key, forward=False):
            parent = self._store.peek(parent_key)
            if parent is None:
                continue
            for type_key in self._types(parent):
                for key in self._components(type_key):
                    node = self._store.peek(key)
                    if node is not None and node.name.Name == owner.name.Name:
                        yield key

    def _types(self, owner: Node) -> Iterator[Key]:
        """Type definition and interfaces of an Object with their supertypes; an ObjectType's own ones."""
        own = owner.key if owner.shape.node_class == OBJECT_TYPE else self._store.type_definition(owner)
        for start in (own, *self._store.targets(owner.key, HAS_INTERFACE_KEY)):
            current: Key | None = start
            for _ in range(_DEEPEST):
                if not current:
                    break
                yield current
                above = self._store.targets(current, HAS_SUBTYPE_KEY, forward=False)
                current = above[0] if above else None

    def _arguments(self, method: Node, declared_by: Key, arguments: list[ua.Variant]) -> tuple[int, list[int]]:
        declared = self.inputs(method, declared_by)
        code = check_count(len(arguments), len(declared))
        if code:
            return code, []
        codes = check_types(self._store, arguments, declared)
        return (int(_S.BadInvalidArgument), codes) if any(codes) else (int(_S.Good), [])

    def inputs(self, method: Node, declared_by: Key) -> list[ua.Argument]:
        """InputArguments of a Method, or of the type's Method when an instance leaves them out."""
        if self._version != self._store.version:
            self._inputs.clear()
            self._version = self._store.version
        found = self._inputs.get((method.key, declared_by))
        if found is None:
            own = declared_inputs(self._store, method)
            declaration = self._store.peek(declared_by)
            if own is None and declaration is not None:
                own = declared_inputs(self._store, declaration)
            found = self._inputs[method.key, declared_by] = own or []
        return found


def _result(code: int, arguments: Sequence[int] = ()) -> ua.CallMethodResult:
    return ua.CallMethodResult(
        StatusCode=stack_status(code), InputArgumentResults=[stack_status(each) for each in arguments]
    )


def _response(results: list[ua.CallMethodResult]) -> ua.CallResponse:
    response = ua.CallResponse()
    response.Results = results
    return response
