"""Questions of running Actions as dialog conditions (OPC 10000-9, DialogConditionType): `<device>/Dialogs/<action>`.

Every client sees what a device waits for; only who invoked the Action and holds the lock answers or comments, here or
by RespondAction. A dialog lives as long as its Action and does not outlive the server: nor does the METHOD that asks.
It is always enabled, and stands as it was first shown until it is answered. `server.fdi.actions.options` says what the
options are where a METHOD asks for a typed value.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from asyncua import ua

from server.alarms.actions import COMMENT_LIMIT
from server.alarms.dialogs import DialogEvent, DialogState, follow
from server.core import status
from server.core.clock import TimeUs, to_datetime
from server.core.values import DeviceId
from server.fdi.actions.options import NONE
from server.fdi.actions.service import E_INVALID_ARGUMENTS, E_INVALID_STATE, OK, Asked
from server.opcua.condition_methods import comment_of
from server.opcua.condition_parts import is_property, variable_type
from server.opcua.event_filter import Event
from server.opcua.method_calls import MethodHandler, result
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import NULL_KEY, Key, key_of
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
ADD_COMMENT = _IDS.ConditionType_AddComment
ENABLE, DISABLE = _IDS.ConditionType_Enable, _IDS.ConditionType_Disable
Fields = dict[str, ua.Variant]


def bind(binding: Binding, fdi: Runtime) -> None:
    """Dialogs of every Action from now on."""
    DialogConditions(binding, fdi)


@dataclass(slots=True)
class Dialog:
    """The condition of one Action."""

    asked: Asked  # the newest question, as it was shown
    state: DialogState = DialogState.INACTIVE
    since: TimeUs = 0  # when it came to this state
    response: int = NONE
    user: str = ""
    comment: str = ""
    comment_time: TimeUs = 0
    notifiers: Sequence[Key] = ()  # kept: who heard the question hears of its end, also when the device is gone
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
        for method in (ADD_COMMENT, ENABLE, DISABLE):
            key = key_of(ua.NodeId(method))
            alarms = binding.handlers.find(NULL_KEY, key)
            if alarms is not None:
                binding.handlers.typed[key] = partial(self._of_every_condition, alarms)
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
            return  # a display whose values go on changing: the question is the same, and its options are
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
        now = self._binding.clock.now()
        dialog.state, dialog.since = after, now
        if event is DialogEvent.ASK:
            dialog.response, dialog.user, dialog.comment, dialog.comment_time = NONE, "", "", now
        self._tell(action_id, dialog)

    def _tell(self, action_id: str, dialog: Dialog) -> None:
        """An event of the dialog as it is now, and its nodes in step."""
        dialog.fields = self._fields(dialog)
        self._show(action_id, dialog)
        device = self._binding.plant.devices.get(DeviceId(dialog.asked.device_id))
        if device is not None:
            dialog.notifiers = self._binding.conditions.notifiers_of(device)
        self._binding.bus.send(dialog.fields, dialog.notifiers, key_of(self._id(action_id, dialog)))

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
        for method in (RESPOND, RESPOND2, ADD_COMMENT, ENABLE, DISABLE):
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
        since = ua.Variant(to_datetime(dialog.since), _V.DateTime)

        def text(words: str) -> ua.Variant:
            return ua.Variant(ua.LocalizedText(words or None, "en" if words else None), _V.LocalizedText)

        return {
            **base,
            "ConditionClassId": ua.Variant(ua.NodeId(_IDS.BaseConditionClassType), _V.NodeId),
            "ConditionClassName": text("BaseConditionClassType"),
            "ConditionName": ua.Variant(asked.name, _V.String),
            "BranchId": ua.Variant(ua.NodeId(), _V.NodeId),
            "Retain": ua.Variant(active, _V.Boolean),
            "EnabledState": text("Enabled"),
            "EnabledState/Id": ua.Variant(True, _V.Boolean),
            "Quality": ua.Variant(ua.StatusCode(status.GOOD), _V.StatusCode),
            "Quality/SourceTimestamp": since,
            "LastSeverity": ua.Variant(SEVERITY, _V.UInt16),
            "LastSeverity/SourceTimestamp": since,
            "Comment": text(dialog.comment),
            "Comment/SourceTimestamp": ua.Variant(to_datetime(dialog.comment_time), _V.DateTime),
            "ClientUserId": ua.Variant(dialog.user, _V.String),
            "DialogState": text(dialog.state.value),
            "DialogState/Id": ua.Variant(active, _V.Boolean),
            "DialogState/TransitionTime": since,
            "DialogState/TrueState": text(DialogState.ACTIVE.value),
            "DialogState/FalseState": text(DialogState.INACTIVE.value),
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
            return result(status.BAD_DIALOG_NOT_ACTIVE)
        option, caller = int(arguments[0].Value), caller_of(request)
        before = dialog.response, dialog.user, dialog.comment, dialog.comment_time
        dialog.response, dialog.user = option, caller.user  # told while `choose` runs
        if len(arguments) > 1:
            self._note(dialog, arguments[1])
        code = self._actions.choose(action_id, dialog.asked, option, caller)
        if code != OK:
            dialog.response, dialog.user, dialog.comment, dialog.comment_time = before
            codes = {
                E_INVALID_STATE: status.BAD_DIALOG_NOT_ACTIVE,
                E_INVALID_ARGUMENTS: status.BAD_DIALOG_RESPONSE_INVALID,
            }
            return result(codes.get(code, status.BAD_USER_ACCESS_DENIED))
        return result(status.GOOD, arguments=tuple(status.GOOD for _ in arguments))

    def _note(self, dialog: Dialog, argument: ua.Variant) -> None:
        comment = comment_of(argument.Value)
        if comment is not None:
            dialog.comment, dialog.comment_time = comment[:COMMENT_LIMIT], self._binding.clock.now()

    def _of_every_condition(
        self, alarms: MethodHandler, request: Request, object_key: Key, method_key: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult | Awaitable[ua.CallMethodResult]:
        """AddComment, Enable and Disable of a dialog; those of alarms go where they went."""
        action_id, dialog = self._named(object_key)
        if dialog is None:
            return alarms(request, object_key, method_key, arguments)
        caller = caller_of(request)
        if self._actions.may_answer(action_id, caller) != OK:
            return result(status.BAD_USER_ACCESS_DENIED)
        if method_key == ENABLE:
            return result(status.BAD_CONDITION_ALREADY_ENABLED)
        if method_key == DISABLE:
            return result(status.BAD_NOT_SUPPORTED)
        if bytes(arguments[0].Value or b"") != dialog.fields["EventId"].Value:
            return result(status.BAD_EVENT_ID_UNKNOWN)
        dialog.user = caller.user
        self._note(dialog, arguments[1])
        self._tell(action_id, dialog)
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
        heard = item.key in dialog.notifiers
        return Event(dialog.fields, key_of(self._id(action_id, dialog))) if heard else None
