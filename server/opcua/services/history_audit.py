"""The audit event of each kind of HistoryUpdate, and the fields that are its own (OPC 10000-11, 5.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncua import ua

SHOWN = 100
"""Values or times that one event shows: the largest change has 10 000, and every listener gets the event."""
Fields = dict[str, ua.Variant]
_I = ua.ObjectIds
_V = ua.VariantType


def of_update(details: Any, old: Sequence[Any] = ()) -> tuple[int, Fields, str]:
    """(event type, its own fields, words for the Message when the event does not show everything).

    `old`: what stood there before, as DataValues or fields of events. What stood beside an annotation is not known.
    """
    values = ua.Variant(list(old[:SHOWN]), _V.DataValue, is_array=True)
    if isinstance(details, ua.UpdateDataDetails | ua.UpdateStructureDataDetails):
        notes = isinstance(details, ua.UpdateStructureDataDetails)
        kind = _I.AuditHistoryAnnotationUpdateEventType if notes else _I.AuditHistoryValueUpdateEventType
        fields, cut = _some("NewValues", details.UpdateValues or [], _V.DataValue)
        fields["PerformInsertReplace"] = ua.Variant(int(details.PerformInsertReplace), _V.Int32)
        if not notes:
            fields["UpdatedNode"] = ua.Variant(details.NodeId, _V.NodeId)
        return kind, fields | {"OldValues": ua.Variant() if notes else values}, cut
    if isinstance(details, ua.DeleteRawModifiedDetails):
        fields = {
            "UpdatedNode": ua.Variant(details.NodeId, _V.NodeId),
            "IsDeleteModified": ua.Variant(bool(details.IsDeleteModified), _V.Boolean),
            "StartTime": ua.Variant(details.StartTime, _V.DateTime),
            "EndTime": ua.Variant(details.EndTime, _V.DateTime),
            "OldValues": values,
        }
        return _I.AuditHistoryRawModifyDeleteEventType, fields, ""
    if isinstance(details, ua.DeleteAtTimeDetails):
        fields, cut = _some("ReqTimes", details.ReqTimes or [], _V.DateTime)
        fields |= {"UpdatedNode": ua.Variant(details.NodeId, _V.NodeId), "OldValues": values}
        return _I.AuditHistoryAtTimeDeleteEventType, fields, cut
    if isinstance(details, ua.UpdateEventDetails):
        fields, cut = _some("NewValues", details.EventData or [], _V.ExtensionObject)
        fields |= {
            "UpdatedNode": ua.Variant(details.NodeId, _V.NodeId),
            "PerformInsertReplace": ua.Variant(int(details.PerformInsertReplace), _V.Int32),
            "Filter": ua.Variant(details.Filter, _V.ExtensionObject),
            "OldValues": ua.Variant(list(old[:SHOWN]), _V.ExtensionObject, is_array=True),
        }
        return _I.AuditHistoryEventUpdateEventType, fields, cut
    if isinstance(details, ua.DeleteEventDetails):
        fields, cut = _some("EventIds", details.EventIds or [], _V.ByteString)
        fields |= {
            "UpdatedNode": ua.Variant(details.NodeId, _V.NodeId),
            "OldValues": ua.Variant(list(old[:SHOWN]), _V.ExtensionObject, is_array=True),
        }
        return _I.AuditHistoryEventDeleteEventType, fields, cut
    return _I.AuditHistoryUpdateEventType, {}, ""


def _some(name: str, values: Sequence[Any], kind: ua.VariantType) -> tuple[Fields, str]:
    cut = f" ({SHOWN} of {len(values)} shown)" if len(values) > SHOWN else ""
    return {name: ua.Variant(list(values[:SHOWN]), kind, is_array=True)}, cut
