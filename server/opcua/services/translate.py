"""TranslateBrowsePathsToNodeIds: from a node along names to its targets (OPC 10000-4 v1.05 §5.9.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from asyncua import ua

from server.opcua.datavalues import stack_status
from server.opcua.nodes.keys import Key, key_of, node_id_of
from server.opcua.nodes.node import REFERENCE_TYPE
from server.opcua.nodes.store import NodeStore
from server.opcua.roles import Audience, Rights
from server.opcua.services.context import Request
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.fault import ServiceFault
from server.opcua.services.limits import OperationLimits, require_count
from server.opcua.services.sight import Announced, Sight, nothing_announced

_S = ua.StatusCodes
WHOLE_PATH = 0xFFFFFFFF
"""remainingPathIndex of a target in this server."""
LOOKED_AT = 2_000_000
"""References that one request may look at: some 0.5 s of one core."""
MATCHES = 1_000
"""Targets of one path at most."""
SLICE = 250
"""Paths followed before others have their turn: some 10 ms."""


class TooComplexError(Exception):
    """A path that costs more than one request may."""


class TranslateService:
    """Browse paths to NodeIds. All nodes are in this server, so no path ends partly."""

    def __init__(
        self, store: NodeStore, rights: Rights, limits: OperationLimits, announced: Announced = nothing_announced
    ) -> None:
        self._store = store
        self._limits = limits
        self._sight = Sight(store, rights, announced)
        self._left = 0  # references that the request whose turn it is may still look at

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer TranslateBrowsePathsToNodeIds."""
        dispatcher.register("TranslateBrowsePathsToNodeIds", self.translate)

    def translate(
        self, request: Request, params: ua.TranslateBrowsePathsToNodeIdsParameters
    ) -> ua.TranslateBrowsePathsToNodeIdsResponse | Awaitable[ua.TranslateBrowsePathsToNodeIdsResponse]:
        """One BrowsePathResult per path; many paths give way to other requests in between."""
        paths = params.BrowsePaths
        require_count(paths, self._limits.translate)
        if request.session is None:
            raise ServiceFault(_S.BadSessionIdInvalid)
        audience = request.session.audience
        if len(paths) > SLICE:
            return self._in_slices(paths, audience)
        self._left = LOOKED_AT
        response = ua.TranslateBrowsePathsToNodeIdsResponse()
        response.Results = [self._result(path, audience) for path in paths]
        return response

    async def _in_slices(
        self, paths: Sequence[ua.BrowsePath], audience: Audience
    ) -> ua.TranslateBrowsePathsToNodeIdsResponse:
        response = ua.TranslateBrowsePathsToNodeIdsResponse()
        left = LOOKED_AT
        for begin in range(0, len(paths), SLICE):
            self._left = left
            response.Results += [self._result(path, audience) for path in paths[begin : begin + SLICE]]
            left = self._left
            await asyncio.sleep(0)
        return response

    def _result(self, path: ua.BrowsePath, audience: Audience) -> ua.BrowsePathResult:
        elements = path.RelativePath.Elements
        start = self._store.find(path.StartingNode)
        if start is None:
            code = _S.BadNodeIdUnknown
        elif not self._sight.visible(start, audience):
            code = _S.BadUserAccessDenied
        elif not elements:
            code = _S.BadNothingToDo
        elif any(element.TargetName is None or not element.TargetName.Name for element in elements):
            code = _S.BadBrowseNameInvalid
        else:
            try:
                targets = self._followed(start.key, elements, audience)
            except TooComplexError:
                return ua.BrowsePathResult(stack_status(_S.BadQueryTooComplex))
            if len(targets) > MATCHES:
                return ua.BrowsePathResult(stack_status(_S.BadTooManyMatches))
            if targets:
                return ua.BrowsePathResult(
                    stack_status(_S.Good), [ua.BrowsePathTarget(node_id_of(key), WHOLE_PATH) for key in targets]
                )
            code = _S.BadNoMatch
        return ua.BrowsePathResult(stack_status(code))

    def _followed(self, start: Key, elements: list[ua.RelativePathElement], audience: Audience) -> list[Key]:
        """Targets in the order of their references, each once."""
        current = [start]
        for element in elements:
            found: dict[Key, None] = {}
            for key in current:
                for target in self._step(key, element, audience):
                    found[target] = None
            current = list(found)
            if not current:
                break
        return current

    def _step(self, key: Key, element: ua.RelativePathElement, audience: Audience) -> list[Key]:
        # A node that was only announced is made when a path goes on below it.
        node = self._store.get(key)
        if node is None:
            return []
        self._left -= len(node.refs) // 2 + 1
        if self._left < 0:
            raise TooComplexError
        kind = key_of(element.ReferenceTypeId)
        codes: set[int] | None = None
        direction = int(bool(element.IsInverse))
        if kind:
            known = self._store.get(kind)
            if known is None or known.shape.node_class != REFERENCE_TYPE:
                return []
            kinds = self._store.below(kind) if element.IncludeSubtypes else (kind,)
            codes = {self._store.code(each) + direction for each in kinds}
        wanted = (element.TargetName.Name, element.TargetName.NamespaceIndex)
        found = []
        for code, target_key in node.pairs():
            if code not in codes if codes is not None else code & 1 != direction:
                continue
            target = self._sight.target(target_key, audience)
            if target is None:
                continue
            name = target.name
            if (name.Name, name.NamespaceIndex) == wanted:
                found.append(target_key)
        return found
