"""A field device reports a fault of its own (OPC 10000-9, InstrumentDiagnosticAlarmType)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind, Look
from server.alarms.judging import OneInput
from server.core.values import Scalar
from server.model.device import Device

MASK = "Mask"


class InstrumentDiagnostic(OneInput):
    """Active while any bit of the mask is set; a further bit is a new reason to look."""

    kind = "instrument_diagnostic"
    condition_class = "Maintenance"

    def level(self, look: Look) -> str:
        value, mask = look.value, self.number(look.device, MASK)
        if mask is None or not isinstance(value, int):
            return look.before
        bits = int(value) & int(mask)
        return f"{bits:#x}" if bits else ""

    def worse(self, new: str, old: str) -> bool:
        return bool(int(new, 16) & ~int(old or "0", 16))

    def severity(self, level: str) -> int:
        return self.spec.severity.get("", 400)

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        if not level:
            return f"{device.device_id}: {self.label()} is over"
        told = self._texts(device, int(level, 16))
        return f"{device.device_id}: {self.label()}: {told}" if told else f"{device.device_id}: {self.label()}"

    def _texts(self, device: Device, bits: int) -> str:
        """What the EDD says of the bits that are set."""
        parameter = device.spec(self.input_parameter)
        entries = parameter.enum_values if parameter is not None else ()
        return ", ".join(entry.text.default for entry in entries if entry.value & bits)


CONDITION = ConditionKind(kind="instrument_diagnostic", make=InstrumentDiagnostic)
