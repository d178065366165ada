"""View service set: Browse and BrowseNext with their filters, views and pages (OPC 10000-4 v1.05 §5.9)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

from asyncua import ua

from server.opcua.datavalues import stack_status
from server.opcua.nodes.keys import Key, key_of, node_id_of
from server.opcua.nodes.node import REFERENCE_TYPE, VIEW, Node
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import variant_of
from server.opcua.roles import Audience, Rights
from server.opcua.services.context import Request, Session
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.fault import ServiceFault
from server.opcua.services.limits import OperationLimits, require_count
from server.opcua.services.sight import Announced, Seen, Sight, nothing_announced

_S = ua.StatusCodes
_MASK = ua.BrowseResultMask
FORWARD, INVERSE, BOTH = 0, 1, 2
HIERARCHICAL_KEY = 33
HAS_PROPERTY_KEY = 46
LOOKED_AT = 2_000_000
"""References that one request may look at: some 0.5 s of one core."""
SHOWN = 200_000
"""References that one answer may have: some 16 MB of it."""


class Translations(Protocol):
    """What of the address space's texts Browse needs."""

    def translated(self, shown: ua.LocalizedText, locales: Iterable[str]) -> ua.LocalizedText: ...


class Effort:
    """What one request has cost so far."""

    __slots__ = ("looked", "shown")

    def __init__(self) -> None:
        self.looked = 0
        self.shown = 0

    def look(self, references: int) -> None:
        """References are about to be filtered.

        Raises:
            ServiceFault: BadTooManyOperations; the request asks for too much at once.
        """
        self.looked += references
        if self.looked > LOOKED_AT:
            raise ServiceFault(_S.BadTooManyOperations)

    def show(self, references: int) -> None:
        """References go into the answer.

        Raises:
            ServiceFault: BadResponseTooLarge; no client could take the whole.
        """
        self.shown += references
        if self.shown > SHOWN:
            raise ServiceFault(_S.BadResponseTooLarge)


class References:
    """The references of a node as they were when it was browsed; pages of the same state share them."""

    __slots__ = ("__weakref__", "flat")

    def __init__(self, flat: Sequence[Any]) -> None:
        self.flat = tuple(flat)  # code, target, code, target …


class Filter(NamedTuple):
    """What of a node's references is asked for."""

    direction: int
    codes: frozenset[int] | None  # even codes of the reference types; None for all
    classes: int  # NodeClass bits; 0 for all
    members: frozenset[Key] | None  # of the view


class Page(NamedTuple):
    """What stands behind a continuation point."""

    references: References
    at: int  # where in them the next page begins
    filter: Filter
    most: int
    mask: int


Found = tuple[int, Key, Node | Seen]
"""A reference that passed: code, target, what is seen of it."""


class ViewService:
    """Browse and BrowseNext. Continuation points stand in `session.browse_points` and die with the session."""

    def __init__(
        self,
        store: NodeStore,
        rights: Rights,
        space: Translations,
        limits: OperationLimits,
        announced: Announced = nothing_announced,
    ) -> None:
        self._store = store
        self._space = space
        self._limits = limits
        self._sight = Sight(store, rights, announced)
        self._ids: dict[Key, ua.NodeId] = {}  # of reference types and type definitions: few, and shown everywhere
        self._kept: WeakValueDictionary[tuple[Key, int], References] = WeakValueDictionary()
        self._members: dict[Key, frozenset[Key]] = {}  # view -> what it shows, as of `_members_version`
        self._members_version = 0

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer Browse and BrowseNext."""
        dispatcher.register("Browse", self.browse)
        dispatcher.register("BrowseNext", self.browse_next)

    # -- Browse

    def browse(self, request: Request, params: ua.BrowseParameters) -> ua.BrowseResponse:
        """One BrowseResult per node, cut to the first page."""
        require_count(params.NodesToBrowse, self._limits.browse)
        session = _session(request)
        members = self._view(params.View, session)
        most = self.page_size(params.RequestedMaxReferencesPerNode)
        effort = Effort()
        response = ua.BrowseResponse()
        response.Results = [self._first(session, wanted, most, members, effort) for wanted in params.NodesToBrowse]
        return response

    def page_size(self, requested: int) -> int:
        """References of one node in one answer; 0 asks for as many as there are."""
        return min(requested, self._limits.references) if requested else self._limits.references

    def whole(
        self, session: Session, wanted: ua.BrowseDescription, most: int, effort: Effort
    ) -> ua.BrowseResult | None:
        """The answer outside any view; None when it has more than one page."""
        code, node, chosen = self._checked(session.audience, wanted, None)
        if node is None:
            return ua.BrowseResult(stack_status(code))
        found, following = self._take(node.refs, 0, chosen, session.audience, most, effort)
        if following is not None:
            return None
        return ua.BrowseResult(References=self._shown(found, wanted.ResultMask, session, effort))

    def _first(
        self,
        session: Session,
        wanted: ua.BrowseDescription,
        most: int,
        members: frozenset[Key] | None,
        effort: Effort,
    ) -> ua.BrowseResult:
        code, node, chosen = self._checked(session.audience, wanted, members)
        if node is None:
            return ua.BrowseResult(stack_status(code))
        found, following = self._take(node.refs, 0, chosen, session.audience, most, effort)
        if following is not None and len(_points(session)) >= self._limits.browse_points:
            return ua.BrowseResult(stack_status(_S.BadNoContinuationPoints))
        result = ua.BrowseResult(References=self._shown(found, wanted.ResultMask, session, effort))
        if following is not None:
            page = Page(self._references(node), following, chosen, most, wanted.ResultMask)
            result.ContinuationPoint = _keep(session, page)
        return result

    def _checked(
        self, audience: Audience, wanted: ua.BrowseDescription, members: frozenset[Key] | None
    ) -> tuple[int, Node | None, Filter]:
        """(operation result, the node unless it is Bad, the filter)."""
        direction = int(wanted.BrowseDirection)
        kind = key_of(wanted.ReferenceTypeId)
        codes: frozenset[int] | None = None
        node = self._store.find(wanted.NodeId)
        known = self._store.get(kind) if kind else None
        code = _S.Good
        if node is None:
            code = _S.BadNodeIdUnknown
        elif audience.insecure(node, browse=True):
            code = _S.BadSecurityModeInsufficient
        elif not self._sight.visible(node, audience):
            code = _S.BadUserAccessDenied
        elif members is not None and node.key not in members:
            code = _S.BadNodeNotInView
        elif direction not in (FORWARD, INVERSE, BOTH):
            code = _S.BadBrowseDirectionInvalid
        elif kind:
            if known is None or known.shape.node_class != REFERENCE_TYPE:
                code = _S.BadReferenceTypeIdInvalid
            else:
                kinds = self._store.below(kind) if wanted.IncludeSubtypes else (kind,)
                codes = frozenset(self._store.code(each) for each in kinds)
        chosen = Filter(direction, codes, int(wanted.NodeClassMask), members)
        return code, None if code else node, chosen

    def _take(
        self, flat: Sequence[Any], at: int, chosen: Filter, audience: Audience, most: int, effort: Effort
    ) -> tuple[list[Found], int | None]:
        """Up to `most` references from a place on that pass the filter, and where the one behind them stands."""
        direction, codes, classes, members = chosen
        target_of = self._sight.target
        found: list[Found] = []
        effort.look((len(flat) - at) // 2)
        for place in range(at, len(flat), 2):
            code, key = flat[place], flat[place + 1]
            if direction != BOTH and code & 1 != direction:
                continue
            if codes is not None and code & ~1 not in codes:
                continue
            if members is not None and key not in members:
                continue
            target = target_of(key, audience)
            if target is None:
                continue
            if classes and not classes & (target.node_class if isinstance(target, Seen) else target.shape.node_class):
                continue
            if len(found) == most:
                return found, place
            found.append((code, key, target))
        return found, None

    def _references(self, node: Node) -> References:
        key = (node.key, self._store.version)
        known = self._kept.get(key)
        if known is None:
            known = self._kept[key] = References(node.refs)
        return known

    def _shown(
        self, found: Iterable[Found], mask: int, session: Session, effort: Effort
    ) -> list[ua.ReferenceDescription]:
        """ReferenceDescriptions with the fields asked for; the others stay null (OPC 10000-4, 7.30)."""
        shown = []
        locales = session.locales
        for code, key, target in found:
            seen = self._sight.seen(target)
            description = ua.ReferenceDescription(NodeId=node_id_of(key), IsForward=False)
            if mask & _MASK.ReferenceTypeId:
                description.ReferenceTypeId = self._id(self._store.reference_type(code))
            if mask & _MASK.IsForward:
                description.IsForward = not code & 1
            if mask & _MASK.NodeClass:
                description.NodeClass = ua.NodeClass(seen.node_class)
            if mask & _MASK.BrowseName:
                description.BrowseName = seen.name
            if mask & _MASK.DisplayName:
                description.DisplayName = self._space.translated(seen.display, locales) if locales else seen.display
            if mask & _MASK.TypeDefinition and seen.type_key:
                description.TypeDefinition = self._id(seen.type_key)
            shown.append(description)
        effort.show(len(shown))
        return shown

    def _id(self, key: Key) -> ua.NodeId:
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = node_id_of(key)
        return found

    # -- views

    def _view(self, view: ua.ViewDescription, session: Session) -> frozenset[Key] | None:
        """The nodes that a view shows; None for the whole address space.

        Raises:
            ServiceFault: BadViewIdUnknown, or a time or version that is not the present one.
        """
        key = key_of(view.ViewId)
        if not key:
            return None
        node = self._store.get(key)
        if node is None or node.shape.node_class != VIEW or not self._sight.visible(node, session.audience):
            raise ServiceFault(_S.BadViewIdUnknown)
        dated = view.Timestamp is not None and view.Timestamp.year > 1601
        if dated and view.ViewVersion:
            raise ServiceFault(_S.BadViewParameterMismatch)
        if dated:
            # Views of the past are not kept.
            raise ServiceFault(_S.BadViewTimestampInvalid)
        if view.ViewVersion and view.ViewVersion != self._version_of(node):
            raise ServiceFault(_S.BadViewVersionInvalid)
        if self._members_version != self._store.version:
            self._members.clear()
            self._members_version = self._store.version
        members = self._members.get(key)
        if members is None:
            members = self._members[key] = self._reached(key)
        return members

    def _version_of(self, view: Node) -> int:
        for key in self._store.targets(view.key, HAS_PROPERTY_KEY):
            node = self._store.peek(key)
            if node is not None and node.point is not None and node.name.Name == "ViewVersion":
                value = variant_of(node.point).Value
                return value if isinstance(value, int) else 0
        return 0

    def _reached(self, view: Key) -> frozenset[Key]:
        """A View and everything that hierarchical references lead to from it (OPC 10000-3, 5.4)."""
        codes = {self._store.code(kind) for kind in self._store.below(HIERARCHICAL_KEY)}
        reached = {view}
        waiting = [view]
        while waiting:
            node = self._store.peek(waiting.pop())
            if node is None:
                continue
            for code, target in node.pairs():
                if code in codes and target not in reached:
                    reached.add(target)
                    waiting.append(target)
        return frozenset(reached)

    # -- BrowseNext

    def browse_next(self, request: Request, params: ua.BrowseNextParameters) -> ua.BrowseNextResponse:
        """The following pages; nothing but good results for points that are given back."""
        require_count(params.ContinuationPoints, self._limits.browse)
        session = _session(request)
        points = _points(session)
        effort = Effort()
        response = ua.BrowseNextResponse()
        for point in params.ContinuationPoints:
            page = points.pop(point or b"", None)
            if page is None:
                result = ua.BrowseResult(stack_status(_S.BadContinuationPointInvalid))
            elif params.ReleaseContinuationPoints:
                result = ua.BrowseResult()
            else:
                result = self._next(session, page, effort)
            response.Parameters.Results.append(result)
        return response

    def _next(self, session: Session, page: Page, effort: Effort) -> ua.BrowseResult:
        """A page of what is still there and still to be seen."""
        found, following = self._take(page.references.flat, page.at, page.filter, session.audience, page.most, effort)
        result = ua.BrowseResult(References=self._shown(found, page.mask, session, effort))
        if following is not None:
            result.ContinuationPoint = _keep(session, page._replace(at=following))
        return result


def _session(request: Request) -> Session:
    session = request.session
    if session is None:
        raise ServiceFault(_S.BadSessionIdInvalid)
    return session


def _points(session: Session) -> dict[bytes, Page]:
    points = session.browse_points
    if points is None:
        points = session.browse_points = {}
    return points  # type: ignore[no-any-return]


def _keep(session: Session, page: Page) -> bytes:
    point = secrets.token_bytes(16)
    _points(session)[point] = page
    return point
