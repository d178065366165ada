"""Browse with its filters and pages, and browse paths to nodes (OPC 10000-4, 5.9)."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.address_space import AddressSpace, ViewService

from server.opcua.datavalues import stack_status
from server.opcua.space import HAS_SUBTYPE, A, Space

_S = ua.StatusCodes
_MASK = ua.BrowseResultMask
POINTS = 20
"""Continuation points of Browse that one session may hold."""
REFERENCES = 10_000
"""References in one answer per node at most."""


class Views(ViewService):  # type: ignore[misc]
    """The stack's view service with whole filters and remembered subtypes."""

    def __init__(self, aspace: AddressSpace, space: Space) -> None:
        super().__init__(aspace)
        self._space = space
        self._subtypes: dict[ua.NodeId, frozenset[ua.NodeId]] = {}

    def below(self, reference_type: ua.NodeId) -> frozenset[ua.NodeId]:
        """A reference type and its subtypes. Reference types come with NodeSets, before anybody browses."""
        found = self._subtypes.get(reference_type)
        if found is None:
            everything = {reference_type}
            waiting = [reference_type]
            while waiting:
                node = self._aspace.get(waiting.pop())
                for ref in node.references if node is not None else ():
                    if ref.IsForward and ref.ReferenceTypeId == HAS_SUBTYPE and ref.NodeId not in everything:
                        everything.add(ref.NodeId)
                        waiting.append(ref.NodeId)
            found = self._subtypes[reference_type] = frozenset(everything)
        return found

    def _suitable_reftype(self, ref1: ua.NodeId, ref2: ua.NodeId, subtypes: bool) -> bool:
        return ref1.is_null() or ref1 == ref2 or (subtypes and ref2 in self.below(ref1))

    def references(self, wanted: ua.BrowseDescription, locales: list[str]) -> ua.BrowseResult:
        """Every reference of a node that passes the filters, with the fields asked for."""
        result = ua.BrowseResult()
        node = self._aspace.get(wanted.NodeId)
        kind = wanted.ReferenceTypeId
        if node is None:
            result.StatusCode = stack_status(_S.BadNodeIdUnknown)
        elif wanted.BrowseDirection not in tuple(ua.BrowseDirection)[:3]:
            result.StatusCode = stack_status(_S.BadBrowseDirectionInvalid)
        elif not kind.is_null() and not self._is_reference_type(kind):
            result.StatusCode = stack_status(_S.BadReferenceTypeIdInvalid)
        else:
            result.References = [
                self._shown(ref, wanted.ResultMask, locales)
                for ref in node.references
                if self._is_suitable_ref(wanted, ref)
            ]
        return result

    def _is_reference_type(self, node_id: ua.NodeId) -> bool:
        node = self._aspace.get(node_id)
        return node is not None and node.attributes[A.NodeClass].value.Value.Value == ua.NodeClass.ReferenceType

    def _shown(self, ref: ua.ReferenceDescription, mask: int, locales: list[str]) -> ua.ReferenceDescription:
        if mask & 63 == 63 and not locales:
            return ref
        return ua.ReferenceDescription(
            ReferenceTypeId=ref.ReferenceTypeId if mask & _MASK.ReferenceTypeId else ua.NodeId(),
            IsForward=bool(ref.IsForward and mask & _MASK.IsForward),
            NodeId=ref.NodeId,
            BrowseName=ref.BrowseName if mask & _MASK.BrowseName else ua.QualifiedName(),
            DisplayName=self._space.translated(ref.DisplayName, locales)
            if mask & _MASK.DisplayName
            else ua.LocalizedText(),
            NodeClass=ref.NodeClass if mask & _MASK.NodeClass else ua.NodeClass.Unspecified,
            TypeDefinition=ref.TypeDefinition if mask & _MASK.TypeDefinition else ua.NodeId(),
        )

    def _translate_browsepath_to_nodeid(self, path: ua.BrowsePath) -> ua.BrowsePathResult:
        result = ua.BrowsePathResult()
        elements = path.RelativePath.Elements
        if path.StartingNode not in self._aspace:
            result.StatusCode = stack_status(_S.BadNodeIdUnknown)
        elif not elements:
            result.StatusCode = stack_status(_S.BadNothingToDo)
        elif any(not element.TargetName or not element.TargetName.Name for element in elements):
            result.StatusCode = stack_status(_S.BadBrowseNameInvalid)
        else:
            return super()._translate_browsepath_to_nodeid(path)
        return result

    def _find_elements_in_node(self, el: ua.RelativePathElement, nodeid: ua.NodeId) -> list[ua.NodeId]:
        return super()._find_elements_in_node(el, nodeid) if nodeid in self._aspace else []


class Pages:
    """The continuation points of one session; they die with it."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[bytes, tuple[list[Any], int]] = OrderedDict()

    def first(self, result: ua.BrowseResult, most: int) -> ua.BrowseResult:
        """A result cut to its first page."""
        most = min(most, REFERENCES) if most else REFERENCES
        if len(result.References) <= most:
            return result
        if len(self._waiting) >= POINTS:
            return ua.BrowseResult(stack_status(_S.BadNoContinuationPoints))
        return self._page(result.References, most)

    def next(self, params: ua.BrowseNextParameters) -> list[ua.BrowseResult]:
        """The following pages, or nothing for points that are given back."""
        if not params.ContinuationPoints:
            raise ServiceError(_S.BadNothingToDo)
        results = []
        for point in params.ContinuationPoints:
            known = self._waiting.pop(point or b"", None)
            if known is None:
                results.append(ua.BrowseResult(stack_status(_S.BadContinuationPointInvalid)))
            elif params.ReleaseContinuationPoints:
                results.append(ua.BrowseResult())
            else:
                results.append(self._page(*known))
        return results

    def _page(self, references: list[Any], most: int) -> ua.BrowseResult:
        result = ua.BrowseResult(References=references[:most])
        if len(references) > most:
            result.ContinuationPoint = secrets.token_bytes(16)
            self._waiting[result.ContinuationPoint] = (references[most:], most)
        return result


def check_browse(params: ua.BrowseParameters, most: int) -> None:
    """Refuse a Browse that is empty, too long or asks for a view; we have none.

    Raises:
        ServiceError: with the service result.
    """
    if not params.NodesToBrowse:
        raise ServiceError(_S.BadNothingToDo)
    if len(params.NodesToBrowse) > most:
        raise ServiceError(_S.BadTooManyOperations)
    if not params.View.ViewId.is_null():
        raise ServiceError(_S.BadViewIdUnknown)
