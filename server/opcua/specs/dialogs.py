"""Questions of running Actions as dialog conditions (OPC 10000-9, DialogConditionType): `<device>/Dialogs/<action>`.

Every client sees what a device waits for; only who invoked the Action and holds the lock answers, here or by
RespondAction. A dialog lives as long as its Action and does not outlive the server: nor does the METHOD that asks.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from asyncua import ua

from server.alarms.dialogs import DialogEvent, DialogState, follow
from server.core import status
from server.core.clock import to_datetime
from server.core.values import DeviceId
from server.fdi.actions.options import NONE
from server.fdi.actions.service import E_INVALID_ARGUMENTS, E_INVALID_STATE, OK, Asked
from server.opcua.condition_parts import is_property, variable_type
from server.opcua.event_filter import Event
from server.opcua.method_calls import result
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.values import put_data_value
from server.opcua.refresh import Wanted
from server.opcua.services.context import Request
from server.opcua.services.event_item import EventItem
from server.opcua.space import HAS_COMPONENT, HAS_CONDITION, HAS_PROPERTY, Space, localized
from server.opcua.specs.binding import Binding
from server.opcua.specs.calls import caller_of
from server.opcua.specs.runtime import Runtime

DIALOGS = "Dialogs"
SEVERITY = 500
_IDS = ua.ObjectIds
_V = ua.VariantType
RESPOND = _IDS.DialogConditionType_Respond
RESPOND2 = _IDS.DialogConditionType_Respond2
Fields = dict[str, ua.Variant]


def bind(binding: Binding, fdi: Runtime) -> None:
    """Dialogs of every Action from now on."""
    DialogConditions(binding, fdi)


@dataclass(slots=True)
class Dialog:
    """The condition of one Action."""

    asked: Asked  # the newest question
    state: DialogState = DialogState.INACTIVE
    response: int = NONE
    user: str = ""
    comment: str = ""
    fields: Fields = field(default_factory=dict)  # of its last event


class DialogConditions:
    """All dialogs, their nodes and events."""

    def __init__(self, binding: Binding, fdi: Runtime) -> None:
        self._binding = binding
        self._space: Space = binding.space
        self._actions = fdi.actions
        self._dialogs: dict[str, Dialog] = {}  # by id of the Action
        fdi.actions.on_changed.append(self._changed)
        fdi.actions.on_gone.append(self._gone)
        for method in (RESPOND, RESPOND2):
            binding.handlers.typed[key_of(ua.NodeId(method))] = self._respond
        binding.refresh.more.append(self._retained)

    # -- what happens

    def _changed(self, action_id: str) -> None:
        """An Action's value is another one: it asks, asks something else, or asks no more."""
        asked, dialog = self._actions.asked(action_id), self._dialogs.get(action_id)
        if asked is None:
            if dialog is not None and dialog.state is DialogState.ACTIVE:
                answered = dialog.response != NONE
                self._happen(action_id, dialog, DialogEvent.RESPOND if answered else DialogEvent.END)
            return
        if dialog is None:
            dialog = self._dialogs[action_id] = Dialog(asked)
        elif dialog.state is DialogState.ACTIVE and dialog.asked.request_id == asked.request_id:
            dialog.asked = asked  # a display whose values go on changing: the question is the same
            return
        dialog.asked = asked
        self._happen(action_id, dialog, DialogEvent.ASK)

    def _gone(self, action_id: str) -> None:
        dialog = self._dialogs.get(action_id)
        if dialog is None:
            return
        if dialog.state is DialogState.ACTIVE:
            self._happen(action_id, dialog, DialogEvent.END)
        del self._dialogs[action_id]
        root = self._id(action_id, dialog)
        if root in self._space:
            gone = self._space.remove(self._space.subtree(root, f"{root.Identifier}/"))
            self._binding.engine.node_removed([node.key for node in gone])

    def _happen(self, action_id: str, dialog: Dialog, event: DialogEvent) -> None:
        after = follow(dialog.state, event)
        if after is None:
            return
        dialog.state = after
        if event is DialogEvent.ASK:
            dialog.response, dialog.comment = NONE, ""
        dialog.fields = self._fields(dialog)
        self._show(action_id, dialog)
        device = self._binding.plant.devices.get(DeviceId(dialog.asked.device_id))
        notifiers = self._binding.conditions.notifiers_of(device) if device is not None else []
        self._binding.bus.send(dialog.fields, notifiers, key_of(self._id(action_id, dialog)))

    # -- nodes

    def _id(self, action_id: str, dialog: Dialog) -> ua.NodeId:
        return self._space.id(PLANT_URI, f"{dialog.asked.device_id}/{DIALOGS}/{action_id}")

    def _show(self, action_id: str, dialog: Dialog) -> None:
        space, root = self._space, self._id(action_id, dialog)
        device = space.id(PLANT_URI, dialog.asked.device_id)
        if device not in space:
            return
        if root in space:
            for path, value in dialog.fields.items():
                put_data_value(space.point(space.id(PLANT_URI, f"{root.Identifier}/{path}")), ua.DataValue(value))
            return
        name = space.name(PLANT_URI, dialog.asked.name)
        space.object(root, name, ua.NodeId(_IDS.DialogConditionType), parent=device, display=dialog.asked.label)
        space.link(device, HAS_CONDITION, root)
        for method in (RESPOND, RESPOND2):
            space.link(root, HAS_COMPONENT, ua.NodeId(method), inverse=False)
        for path, value in dialog.fields.items():
            above, _, last = path.rpartition("/")
            space.variable(
                space.id(PLANT_URI, f"{root.Identifier}/{path}"),
                ua.QualifiedName(last, 0),
                ua.DataValue(value),
                ua.NodeId(_IDS.UtcTime if value.VariantType is _V.DateTime else value.VariantType.value),
                type_definition=variable_type(path),
                parent=space.id(PLANT_URI, f"{root.Identifier}/{above}") if above else root,
                reference=HAS_PROPERTY if is_property(path) else HAS_COMPONENT,
                rank=1 if value.is_array else -1,
            )

    # -- fields

    def _fields(self, dialog: Dialog) -> Fields:
        asked, active = dialog.asked, dialog.state is DialogState.ACTIVE
        options = asked.options
        source = self._space.id(PLANT_URI, asked.device_id)
        prompt = localized(options.prompt) if options.prompt else ua.LocalizedText(asked.label.default, "en")
        words = "waits for an answer" if active else "waits no more"
        base = self._binding.bus.base_fields(
            _IDS.DialogConditionType,
            key_of(source),
            asked.device_id,
            f"{asked.device_id}: {asked.label.default or asked.name} {words}",
            SEVERITY,
        )
        now = ua.Variant(to_datetime(self._binding.clock.now()), _V.DateTime)

        def text(words: str) -> ua.Variant:
            return ua.Variant(ua.LocalizedText(words or None, "en" if words else None), _V.LocalizedText)

        return {
            **base,
            "EventId": ua.Variant(uuid.uuid4().bytes, _V.ByteString),
            "ConditionClassId": ua.Variant(ua.NodeId(_IDS.BaseConditionClassType), _V.NodeId),
            "ConditionClassName": text("BaseConditionClassType"),
            "ConditionName": ua.Variant(asked.name, _V.String),
            "BranchId": ua.Variant(ua.NodeId(), _V.NodeId),
            "Retain": ua.Variant(active, _V.Boolean),
            "EnabledState": text("Enabled"),
            "EnabledState/Id": ua.Variant(True, _V.Boolean),
            "Quality": ua.Variant(ua.StatusCode(status.GOOD), _V.StatusCode),
            "Quality/SourceTimestamp": now,
            "LastSeverity": ua.Variant(SEVERITY, _V.UInt16),
            "LastSeverity/SourceTimestamp": now,
            "Comment": text(dialog.comment),
            "Comment/SourceTimestamp": now,
            "ClientUserId": ua.Variant(dialog.user, _V.String),
            "DialogState": text(dialog.state.value),
            "DialogState/Id": ua.Variant(active, _V.Boolean),
            "Prompt": ua.Variant(prompt, _V.LocalizedText),
            "ResponseOptionSet": ua.Variant([localized(one) for one in options.texts], _V.LocalizedText, is_array=True),
            "DefaultResponse": ua.Variant(options.default, _V.Int32),
            "OkResponse": ua.Variant(options.ok, _V.Int32),
            "CancelResponse": ua.Variant(options.cancel, _V.Int32),
            "LastResponse": ua.Variant(dialog.response, _V.Int32),
        }

    # -- answers and refresh

    def _respond(
        self, request: Request, object_key: Key, _method: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        action_id, dialog = self._named(object_key)
        if dialog is None:
            return result(status.BAD_NODE_ID_UNKNOWN)
        if dialog.state is not DialogState.ACTIVE:
            return result(ua.StatusCodes.BadDialogNotActive)
        option, caller = int(arguments[0].Value), caller_of(request)
        if not 0 <= option < len(dialog.asked.options.texts):
            return result(ua.StatusCodes.BadDialogResponseInvalid)
        comment = arguments[1].Value if len(arguments) > 1 else None
        before = dialog.response, dialog.user, dialog.comment
        dialog.response, dialog.user = option, caller.user
        if isinstance(comment, ua.LocalizedText) and comment.Text:
            dialog.comment = comment.Text[:1_024]
        code = self._actions.choose(action_id, dialog.asked.request_id, option, caller)
        if code != OK:
            dialog.response, dialog.user, dialog.comment = before
            codes = {
                E_INVALID_STATE: ua.StatusCodes.BadDialogNotActive,
                E_INVALID_ARGUMENTS: ua.StatusCodes.BadDialogResponseInvalid,
            }
            return result(codes.get(code, status.BAD_USER_ACCESS_DENIED))
        return result(status.GOOD, arguments=tuple(status.GOOD for _ in arguments))

    def _named(self, object_key: Key) -> tuple[str, Dialog | None]:
        if isinstance(object_key, tuple) and isinstance(object_key[1], str):
            action_id = object_key[1].rpartition("/")[2]
            dialog = self._dialogs.get(action_id)
            if dialog is not None and object_key == key_of(self._id(action_id, dialog)):
                return action_id, dialog
        return "", None

    def _retained(self) -> Iterable[Wanted]:
        active = [name for name, dialog in self._dialogs.items() if dialog.state is DialogState.ACTIVE]
        return [partial(self._event, action_id) for action_id in active]

    def _event(self, action_id: str, item: EventItem) -> Event | None:
        dialog = self._dialogs.get(action_id)
        if dialog is None or dialog.state is not DialogState.ACTIVE:
            return None
        device = self._binding.plant.devices.get(DeviceId(dialog.asked.device_id))
        heard = self._binding.conditions.notifiers_of(device) if device is not None else []
        return Event(dialog.fields, key_of(self._id(action_id, dialog))) if item.key in heard else None
