"""Certificate expiration alarm: a certificate ends soon, or has ended (OPC 10000-9, CertificateExpirationAlarmType)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind, Look
from server.alarms.judging import OneInput
from server.core.clock import TimeUs, to_iso
from server.core.values import Scalar
from server.model.device import Device

LIMIT = "ExpirationLimit"
EXPIRING, EXPIRED = "Expiring", "Expired"


class CertificateExpiration(OneInput):
    """Judges a DateTime, the end of a certificate, against the time: ExpirationLimit seconds before it and at it."""

    kind = "certificate_expiration"
    condition_class = "System"

    def level(self, look: Look) -> str:
        ends = look.value
        if isinstance(ends, bool) or not isinstance(ends, int):
            return look.before
        if look.time >= ends:
            return EXPIRED
        return EXPIRING if look.time >= self._begins(look.device, ends) else ""

    def _begins(self, device: Device, ends: int) -> int:
        return ends - self.span(device, LIMIT)

    def again_at(self, look: Look) -> TimeUs | None:
        ends = look.value
        if isinstance(ends, bool) or not isinstance(ends, int):
            return None
        return next((moment for moment in (self._begins(look.device, ends), ends) if moment > look.time), None)

    def worse(self, new: str, old: str) -> bool:
        return new == EXPIRED

    def limits(self, device: Device) -> dict[str, float]:
        limit = self.number(device, LIMIT)
        return {} if limit is None else {LIMIT: limit}

    def severity(self, level: str) -> int:
        given = self.spec.severity
        return given.get(level) or given.get("") or (800 if level == EXPIRED else 500)

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        moment = _shown(value)
        if level == EXPIRED:
            return f"{device.device_id}: {self.label()} has expired {moment}"
        if level:
            return f"{device.device_id}: {self.label()} expires {moment}"
        return f"{device.device_id}: {self.label()} is valid until {moment}"


def _shown(value: Scalar | None) -> str:
    try:
        return to_iso(value) if isinstance(value, int) else "at an unknown time"
    except (OverflowError, ValueError):
        return "beyond all calendars"  # a device may report any 64 bits


CONDITION = ConditionKind(kind="certificate_expiration", make=CertificateExpiration)
