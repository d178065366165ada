"""The fields of a condition's events by browse path, each made when somebody selects it (OPC 10000-9, 5.5 to 5.8).

What a kind or a declaration has not, a condition has no field for: optional parts are there as its AlarmSpec says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from asyncua import ua

from server.alarms.limits import SEPARATOR
from server.alarms.sound import sound
from server.core.clock import to_datetime
from server.core.texts import Texts
from server.core.values import AlarmEvent
from server.model.alarm_spec import LEVELS, AlarmSpec
from server.model.device import Device
from server.opcua.condition_types import DEVIATION, EXCLUSIVE, LIMITS, NON_EXCLUSIVE, OFF_NORMAL, RATE, condition_class
from server.opcua.datavalues import stack_status

V = ua.VariantType
_IDS = ua.ObjectIds
NULL = ua.Variant(None, V.Null)
LIMIT_STATES = {
    "HighHigh": _IDS.ExclusiveLimitStateMachineType_HighHigh,
    "High": _IDS.ExclusiveLimitStateMachineType_High,
    "Low": _IDS.ExclusiveLimitStateMachineType_Low,
    "LowLow": _IDS.ExclusiveLimitStateMachineType_LowLow,
}
SHELVING_STATES = {
    "Unshelved": _IDS.ShelvedStateMachineType_Unshelved,
    "TimedShelved": _IDS.ShelvedStateMachineType_TimedShelved,
    "OneShotShelved": _IDS.ShelvedStateMachineType_OneShotShelved,
}


class Shown:
    """What the fields of one event are made of."""

    __slots__ = ("device", "event", "input", "max_time_shelved_s", "node", "source", "spec", "type")

    def __init__(
        self,
        event: AlarmEvent,
        spec: AlarmSpec | None,
        device: Device | None,
        node: Callable[[str], ua.NodeId],
        type_definition: ua.NodeId,
        source: ua.NodeId,
        input_node: ua.NodeId,
        max_time_shelved_s: Callable[[AlarmSpec | None], float],
    ) -> None:
        self.event = event
        self.spec = spec
        self.device = device
        self.node = node  # NodeId of a parameter of the same device
        self.type = type_definition
        self.source = source
        self.input = input_node
        self.max_time_shelved_s = max_time_shelved_s


Maker = Callable[[Shown], ua.Variant | None]
"""Makes one field; None where the condition has no such field."""


class ConditionFields(Mapping[str, ua.Variant]):
    """The fields of one event; each is made at its first look-up."""

    __slots__ = ("_made", "_shown")

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._made: dict[str, ua.Variant | None] = {}

    def get(self, path: str, default: Any = None) -> Any:
        if path in self._made:
            found = self._made[path]
        else:
            maker = MAKERS.get(path)
            found = self._made[path] = None if maker is None else maker(self._shown)
        return default if found is None else found

    def __getitem__(self, path: str) -> ua.Variant:
        found = self.get(path)
        if found is None:
            raise KeyError(path)
        return found

    def __iter__(self) -> Iterator[str]:
        return (path for path in MAKERS if self.get(path) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self.get(path) is not None


def _time(time_us: int | None) -> ua.Variant:
    return ua.Variant(to_datetime(time_us), V.DateTime) if time_us else NULL


def _text(text: str) -> ua.Variant:
    return ua.Variant(ua.LocalizedText(text, "en"), V.LocalizedText)


def _texts(texts: Texts) -> ua.Variant:
    language, text = texts.best()
    return ua.Variant(ua.LocalizedText(text, language or None), V.LocalizedText)


def _true(value: bool) -> ua.Variant:
    return ua.Variant(value, V.Boolean)


def _duration(seconds: float) -> ua.Variant:
    return ua.Variant(seconds * 1000.0, V.Double)


MAKERS: dict[str, Maker] = {}


def _two_state(
    name: str,
    flag: Callable[[AlarmEvent], bool],
    words: tuple[str, str],
    time: Callable[[AlarmEvent], int | None],
    has: Callable[[AlarmEvent], bool] = lambda _: True,
) -> None:
    """A TwoStateVariable with Id, TransitionTime, TrueState and FalseState."""
    yes, no = words
    MAKERS[name] = lambda s: _text(yes if flag(s.event) else no) if has(s.event) else None
    MAKERS[f"{name}/Id"] = lambda s: _true(flag(s.event)) if has(s.event) else None
    MAKERS[f"{name}/TransitionTime"] = lambda s: _time(time(s.event)) if has(s.event) else None
    MAKERS[f"{name}/TrueState"] = lambda s: _text(yes) if has(s.event) else None
    MAKERS[f"{name}/FalseState"] = lambda s: _text(no) if has(s.event) else None


def _base() -> None:
    MAKERS["EventId"] = lambda s: ua.Variant(s.event.event_id, V.ByteString)
    MAKERS["EventType"] = lambda s: ua.Variant(s.type, V.NodeId)
    MAKERS["SourceNode"] = lambda s: ua.Variant(s.source, V.NodeId)
    MAKERS["SourceName"] = lambda s: ua.Variant(s.event.device_id, V.String)
    MAKERS["Time"] = lambda s: _time(s.event.time)
    # A source whose clock runs ahead must not make an event that came before it happened (OPC 10000-5, 6.4.2).
    MAKERS["ReceiveTime"] = lambda s: _time(max(s.event.receive_time, s.event.time))
    MAKERS["Message"] = lambda s: _text(s.event.message)
    MAKERS["Severity"] = lambda s: ua.Variant(s.event.severity, V.UInt16)


def _condition() -> None:
    MAKERS["ConditionClassId"] = lambda s: ua.Variant(condition_class(s.event.condition_class)[0], V.NodeId)
    MAKERS["ConditionClassName"] = lambda s: _text(condition_class(s.event.condition_class)[1])
    MAKERS["ConditionName"] = lambda s: ua.Variant(s.event.name, V.String)
    MAKERS["BranchId"] = lambda s: ua.Variant(_branch(s), V.NodeId)
    MAKERS["Retain"] = lambda s: _true(s.event.retain)
    _two_state("EnabledState", lambda e: e.enabled, ("Enabled", "Disabled"), lambda e: e.enabled_time)
    MAKERS["EnabledState/EffectiveDisplayName"] = lambda s: _text(effective(s.event) if s.event.enabled else "Disabled")
    MAKERS["Quality"] = lambda s: ua.Variant(stack_status(s.event.quality), V.StatusCode)
    MAKERS["Quality/SourceTimestamp"] = lambda s: _time(s.event.quality_time or s.event.time)
    MAKERS["LastSeverity"] = lambda s: ua.Variant(s.event.last_severity, V.UInt16)
    MAKERS["LastSeverity/SourceTimestamp"] = lambda s: _time(s.event.severity_time or s.event.time)
    MAKERS["Comment"] = lambda s: ua.Variant(
        ua.LocalizedText(s.event.comment or None, "en" if s.event.comment else None), V.LocalizedText
    )
    MAKERS["Comment/SourceTimestamp"] = lambda s: _time(s.event.comment_time or s.event.time)
    MAKERS["ClientUserId"] = lambda s: ua.Variant(s.event.comment_user, V.String)


def _branch(shown: Shown) -> ua.NodeId:
    event = shown.event
    if not event.branch_id:
        return ua.NodeId()
    return ua.NodeId(f"{event.condition_id}#{event.branch_id}", shown.source.NamespaceIndex)


def effective(event: AlarmEvent) -> str:
    """One phrase for what an operator has to know: level, then what keeps it from him or is still to be done."""
    words = [(event.limit_state if event.active and event.kind in LIMITS else "Active") if event.active else "Inactive"]
    if not event.acked:
        words.append("Unacknowledged")
    elif not event.confirmed:
        words.append("Unconfirmed")
    if event.latched and not event.active:
        words.append("Latched")
    if event.out_of_service:
        words.append("Out of service")
    if event.suppressed:
        words.append("Suppressed")
    if event.shelving != "Unshelved":
        words.append("Shelved")
    return " | ".join(words)


def _alarm() -> None:
    _two_state("AckedState", lambda e: e.acked, ("Acknowledged", "Unacknowledged"), lambda e: e.acked_time)
    _two_state(
        "ConfirmedState",
        lambda e: e.confirmed,
        ("Confirmed", "Unconfirmed"),
        lambda e: e.confirmed_time,
        lambda e: e.has_confirm,
    )
    _two_state(
        "ActiveState",
        lambda e: e.active,
        ("Active", "Inactive"),
        lambda e: e.active_time if e.active else e.inactive_time,
    )
    MAKERS["ActiveState/EffectiveDisplayName"] = lambda s: _text(
        (s.event.limit_state if s.event.kind in LIMITS else "Active") if s.event.active else "Inactive"
    )
    MAKERS["ActiveState/EffectiveTransitionTime"] = lambda s: _time(
        s.event.level_time or (s.event.active_time if s.event.active else s.event.inactive_time)
    )
    MAKERS["InputNode"] = lambda s: ua.Variant(s.input, V.NodeId)
    _two_state("SuppressedState", lambda e: e.suppressed, ("Suppressed", "Unsuppressed"), lambda e: e.suppressed_time)
    _two_state(
        "OutOfServiceState",
        lambda e: e.out_of_service,
        ("Out of service", "In service"),
        lambda e: e.out_of_service_time,
    )
    _two_state(
        "SilenceState", lambda e: e.silenced, ("Silenced", "Not silenced"), lambda e: e.silenced_time,
        lambda e: e.has_silence,
    )  # fmt: skip
    _two_state(
        "LatchedState", lambda e: e.latched, ("Latched", "Not latched"), lambda e: e.latched_time,
        lambda e: e.has_latch,
    )  # fmt: skip
    MAKERS["SuppressedOrShelved"] = lambda s: _true(s.event.suppressed_or_shelved)
    MAKERS["MaxTimeShelved"] = lambda s: _duration(s.max_time_shelved_s(s.spec))
    MAKERS["AudibleEnabled"] = lambda s: _true(not s.event.silenced and s.event.active) if s.event.has_silence else None
    MAKERS["AudibleSound"] = lambda s: (
        ua.Variant(sound(s.spec.audible), V.ByteString) if s.spec is not None and s.event.has_silence else None
    )
    MAKERS["AudibleSound/ListId"] = lambda s: (
        ua.Variant(s.spec.audible, V.String) if s.spec is not None and s.event.has_silence else None
    )
    MAKERS["AudibleSound/AgencyId"] = lambda s: ua.Variant("fieldloom", V.String) if s.event.has_silence else None
    MAKERS["AudibleSound/VersionId"] = lambda s: ua.Variant("1", V.String) if s.event.has_silence else None
    MAKERS["FirstInGroupFlag"] = lambda s: (
        _true(s.event.first_in_group) if s.spec is not None and s.spec.first_in_group else None
    )
    MAKERS["OnDelay"] = _of_life("on_delay_s")
    MAKERS["OffDelay"] = _of_life("off_delay_s")
    MAKERS["ReAlarmTime"] = _of_life("re_alarm_s")
    MAKERS["ReAlarmRepeatCount"] = lambda s: (
        ua.Variant(min(s.event.re_alarms, 32_767), V.Int16) if s.spec is not None and s.spec.life.re_alarm_s else None
    )


def _of_life(name: str) -> Maker:
    def make(shown: Shown) -> ua.Variant | None:
        seconds = getattr(shown.spec.life, name) if shown.spec is not None else 0.0
        return _duration(seconds) if seconds else None

    return make


def _shelving() -> None:
    path = "ShelvingState"
    MAKERS[f"{path}/CurrentState"] = lambda s: _text(s.event.shelving)
    MAKERS[f"{path}/CurrentState/Id"] = lambda s: ua.Variant(ua.NodeId(SHELVING_STATES[s.event.shelving]), V.NodeId)
    MAKERS[f"{path}/UnshelveTime"] = lambda s: ua.Variant(unshelve_ms(s.event, s.event.receive_time), V.Double)


def unshelve_ms(event: AlarmEvent, now: int) -> float:
    """UnshelveTime: milliseconds until shelving ends by itself; 0 when it is not shelved."""
    return max(event.unshelve_time - now, 0) / 1000.0 if event.unshelve_time is not None else 0.0


def _limits() -> None:
    for level in LEVELS:
        _limit(level)

    def current(shown: Shown) -> str:
        return shown.event.limit_state if shown.event.limit_state in LIMIT_STATES else ""

    MAKERS["LimitState/CurrentState"] = lambda s: (
        ua.Variant(ua.LocalizedText(current(s) or None, "en" if current(s) else None), V.LocalizedText)
        if s.event.kind in EXCLUSIVE
        else None
    )
    MAKERS["LimitState/CurrentState/Id"] = lambda s: (
        ua.Variant(ua.NodeId(LIMIT_STATES[current(s)]) if current(s) else ua.NodeId(), V.NodeId)
        if s.event.kind in EXCLUSIVE
        else None
    )


def _limit(level: str) -> None:
    def has(shown: Shown) -> bool:
        return shown.event.kind in LIMITS and level in shown.event.limits

    def on(event: AlarmEvent) -> bool:
        return level in event.limit_state.split(SEPARATOR)

    MAKERS[f"{level}Limit"] = lambda s: ua.Variant(s.event.limits[level], V.Double) if has(s) else None
    MAKERS[f"Severity{level}"] = lambda s: (
        ua.Variant(s.spec.severity[level], V.UInt16) if s.spec is not None and level in s.spec.severity else None
    )
    MAKERS[f"{level}Deadband"] = lambda s: (
        ua.Variant(s.spec.life.deadband, V.Double) if has(s) and s.spec is not None and s.spec.life.deadband else None
    )
    words = f"{level} active", f"{level} inactive"
    MAKERS[f"{level}State"] = lambda s: (
        _text(words[0] if on(s.event) else words[1]) if s.event.kind in NON_EXCLUSIVE and has(s) else None
    )
    MAKERS[f"{level}State/Id"] = lambda s: _true(on(s.event)) if s.event.kind in NON_EXCLUSIVE and has(s) else None


def _kinds() -> None:
    MAKERS["NormalState"] = lambda s: ua.Variant(ua.NodeId(), V.NodeId) if s.event.kind in OFF_NORMAL else None
    MAKERS["SetpointNode"] = lambda s: (
        ua.Variant(_source_node(s, "Setpoint"), V.NodeId) if s.event.kind in DEVIATION else None
    )
    MAKERS["EngineeringUnits"] = _rate_unit
    MAKERS["TargetValueNode"] = lambda s: (
        ua.Variant(_source_node(s, "Target"), V.NodeId) if s.event.kind == "discrepancy" else None
    )
    MAKERS["ExpectedTime"] = lambda s: (
        _duration(s.event.limits.get("ExpectedTime", 0.0)) if s.event.kind == "discrepancy" else None
    )
    MAKERS["Tolerance"] = lambda s: (
        ua.Variant(s.event.limits["Tolerance"], V.Double)
        if s.event.kind == "discrepancy" and "Tolerance" in s.event.limits
        else None
    )
    MAKERS["ExpirationDate"] = lambda s: (
        _time(s.event.value if isinstance(s.event.value, int) else None)
        if s.event.kind == "certificate_expiration"
        else None
    )
    MAKERS["ExpirationLimit"] = lambda s: (
        _duration(s.event.limits.get("ExpirationLimit", 0.0)) if s.event.kind == "certificate_expiration" else None
    )
    MAKERS["CertificateType"] = lambda s: (
        ua.Variant(ua.NodeId(_IDS.RsaSha256ApplicationCertificateType), V.NodeId)
        if s.event.kind == "certificate_expiration"
        else None
    )
    MAKERS["Certificate"] = lambda s: (
        ua.Variant(_der(s.device.attributes.get(f"certificate_{s.event.input_parameter}", "")), V.ByteString)
        if s.event.kind == "certificate_expiration" and s.device is not None
        else None
    )


def _der(text: str) -> bytes:
    """A certificate as devices tell it, in hex; nothing for what is none."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _source_node(shown: Shown, source: str) -> ua.NodeId:
    """The Variable that a number comes from; null for a constant."""
    named = shown.spec.sources.get(source) if shown.spec is not None else None
    return shown.node(named) if isinstance(named, str) else ua.NodeId()


def _rate_unit(shown: Shown) -> ua.Variant | None:
    if shown.event.kind not in RATE:
        return None
    parameter = shown.device.spec(shown.event.input_parameter) if shown.device is not None else None
    symbol = f"{parameter.unit_symbol if parameter is not None and parameter.unit_symbol else '1'}/s"
    unit = ua.EUInformation(
        NamespaceUri="urn:fieldloom:types",
        UnitId=-1,
        DisplayName=ua.LocalizedText(symbol, None),
        Description=ua.LocalizedText(f"{symbol}: change per second", "en"),
    )
    return ua.Variant(unit, V.ExtensionObject)


def _rationale() -> None:
    """What the master alarm database says (ISA-18.2); Properties of our own."""
    MAKERS["Priority"] = lambda s: ua.Variant(s.event.priority, V.String)
    for name, attribute in (("Cause", "cause"), ("Consequence", "consequence"), ("CorrectiveAction", "action")):
        MAKERS[name] = _of_rationale(attribute)
    MAKERS["ResponseTime"] = lambda s: (
        _duration(s.spec.rationale.response_s) if s.spec is not None and s.spec.rationale.response_s else None
    )
    MAKERS["Rule"] = lambda s: ua.Variant(s.spec.rule, V.String) if s.spec is not None and s.spec.rule else None


def _of_rationale(attribute: str) -> Maker:
    def make(shown: Shown) -> ua.Variant | None:
        texts: Texts | None = getattr(shown.spec.rationale, attribute) if shown.spec is not None else None
        return _texts(texts) if texts else None

    return make


for _add in (_base, _condition, _alarm, _shelving, _limits, _kinds, _rationale):
    _add()
OWN = frozenset({"Priority", "Cause", "Consequence", "CorrectiveAction", "ResponseTime", "Rule"})
"""Fields of ours, which no standard type declares."""
