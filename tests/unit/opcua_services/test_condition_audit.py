"""Which audit event a Call is, and what it carries."""

from __future__ import annotations

from asyncua import ua

from server.opcua.services.condition_audit import of_call

IDS, V = ua.ObjectIds, ua.VariantType


def test_the_answer_to_a_dialog_tells_the_option() -> None:
    option, words = ua.Variant(1, V.Int32), ua.Variant(ua.LocalizedText("yes", "en"), V.LocalizedText)
    for method, inputs in (
        (IDS.DialogConditionType_Respond, [option]),
        (IDS.DialogConditionType_Respond2, [option, words]),
    ):
        kind, name, own = of_call(method, inputs)
        assert (kind, name) == (IDS.AuditConditionRespondEventType, "Method/Respond")
        assert own == {"SelectedResponse": ua.Variant(1, V.UInt32)}
    assert of_call(IDS.DialogConditionType_Respond, [])[2]["SelectedResponse"].Value is None
    assert of_call(IDS.DialogConditionType_Respond, [ua.Variant(-1, V.Int32)])[2]["SelectedResponse"].Value is None


def test_what_is_done_to_an_alarm_and_any_other_call() -> None:
    inputs = [ua.Variant(b"1", V.ByteString), ua.Variant(ua.LocalizedText("seen", "en"), V.LocalizedText)]
    kind, name, own = of_call(IDS.AcknowledgeableConditionType_Acknowledge, inputs)
    assert (kind, name) == (IDS.AuditConditionAcknowledgeEventType, "Method/Acknowledge")
    assert set(own) == {"ConditionEventId", "Comment"}
    assert of_call((2, "pump-1/MethodSet/Trip"), []) == (IDS.AuditUpdateMethodEventType, "Attribute/Call", {})
