"""The server as a device of its own plant: what it must tell operators of itself is judged and told like all else.

OPC 10000-9: SystemOffNormalAlarmType, CertificateExpirationAlarmType. Broker and historian away, a late event loop, a
full disk, a certificate that ends, notifications that do not get out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.alarms import history_counters
from server.core import status
from server.core.binding import DeviceBinding
from server.core.clock import TimeUs
from server.core.texts import Texts
from server.core.units import unit_of
from server.core.values import DeviceId, Measurement, Scalar
from server.model.alarm_spec import AlarmSpec, Life, Rationale, Source
from server.model.device_type import DataType, DeviceType, ParameterSpec

SERVER_TYPE_ID, SERVER_DEVICE = "fieldloom_server", DeviceId("fieldloom-server")
PLACE = ("System",)
PERIOD_S = 5.0
"""How often it is looked at."""
CERTIFICATE_S = 30 * 86_400.0
"""So long before its end a certificate is an alarm."""
HEALTHY, DEGRADED, WITHOUT_FIELD = 255, 190, 100
"""ServiceLevel (OPC 10000-4, 6.6.2.4.2): below 200 degraded, values are still served."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the server now; None: cannot be found out."""

    broker: bool
    historian: bool
    loop_lag_s: float
    disk_free_percent: float | None
    certificate_until: TimeUs | None
    channels_failing: int
    alarms_not_kept: int = 0
    certificate: bytes = b""  # DER
    history: Mapping[str, int | float] = field(default_factory=dict)  # counters, as in `/metrics`

    @property
    def service_level(self) -> int:
        """ServiceLevel of the Server object."""
        if not self.broker:
            return WITHOUT_FIELD
        return HEALTHY if self.historian else DEGRADED

    def measurement(self, now: TimeUs) -> Measurement:
        """The facts as values of the device."""
        values: dict[str, Scalar | None] = {
            "broker_connected": self.broker,
            "historian_ready": self.historian,
            "loop_lag": self.loop_lag_s,
            "disk_free": self.disk_free_percent,
            "certificate_valid_until": self.certificate_until,
            "channels_failing": self.channels_failing,
            "alarms_not_kept": self.alarms_not_kept,
            **history_counters.told(self.history),
        }
        told = tuple(
            (name, value, status.GOOD if value is not None else status.BAD_NO_COMMUNICATION)
            for name, value in values.items()
        )
        shown = {"certificate_certificate_valid_until": self.certificate.hex()}  # Certificate of its alarm
        return Measurement(SERVER_TYPE_ID, SERVER_DEVICE, told, now, now, facility=PLACE[0], attributes=shown)


def _parameter(name: str, label: Texts, data_type: DataType, unit: str = "") -> ParameterSpec:
    return ParameterSpec(
        name=name,
        label=label,
        data_type=data_type,
        unit=unit_of(unit) if unit else None,
        unit_symbol=unit,
        dynamic=True,
    )


def _alarm(
    kind: str,
    name: str,
    parameter: str,
    label: Texts,
    sources: dict[str, Source],
    severity: dict[str, int],
    why: tuple[Texts, Texts, Texts],
    delay_s: float = 0.0,
) -> AlarmSpec:
    cause, consequence, action = why
    return AlarmSpec(
        kind=kind,
        name=name,
        parameter=parameter,
        label=label,
        sources=sources,
        severity=severity,
        life=Life(on_delay_s=delay_s),
        rationale=Rationale(
            condition_class="System", cause=cause, consequence=consequence, action=action, response_s=600.0
        ),
    )


_BROKER = Texts.of("No connection to the MQTT broker", ru="Нет связи с брокером MQTT")
_HISTORIAN = Texts.of("The historian does not store", ru="Архив не принимает данные")
_LAG = Texts.of("Event loop lag", ru="Задержка обработки")
_DISK = Texts.of("Free space on the data disk", ru="Свободное место на диске данных")
_CERTIFICATE = Texts.of("The server's certificate", ru="Сертификат сервера")
_STORAGE = Texts.of("Alarm events cannot be kept", ru="События тревог не сохраняются")
_CHANNELS = Texts.of("Notifications do not get out", ru="Оповещения не отправляются")

SERVER_TYPE = DeviceType(
    type_id=SERVER_TYPE_ID,
    package_id="",
    version="1.0.0",
    namespace_uri="urn:fieldloom:server",
    label=Texts.of("Fieldloom server", ru="Сервер Fieldloom"),
    manufacturer=Texts.of("Fieldloom"),
    model=Texts.of("Server"),
    parameters={
        spec.name: spec
        for spec in (
            _parameter("broker_connected", Texts.of("Broker connected", ru="Брокер на связи"), DataType.BOOLEAN),
            _parameter("historian_ready", Texts.of("Historian stores", ru="Архив работает"), DataType.BOOLEAN),
            _parameter("loop_lag", _LAG, DataType.DOUBLE, "s"),
            _parameter("disk_free", _DISK, DataType.DOUBLE, "%"),
            _parameter(
                "certificate_valid_until",
                Texts.of("Certificate valid until", ru="Сертификат действует до"),
                DataType.DATETIME,
            ),
            _parameter(
                "alarms_not_kept", Texts.of("Alarm events not kept", ru="Несохранённые события"), DataType.UINT32
            ),
            _parameter("channels_failing", Texts.of("Failing channels", ru="Неисправные каналы"), DataType.UINT16),
            *(
                _parameter(name, label, data_type, history_counters.UNITS.get(name, ""))
                for name, (label, data_type) in history_counters.PARAMETERS.items()
            ),
        )
    },
    alarms=(
        _alarm(
            "system_off_normal",
            "Broker",
            "broker_connected",
            _BROKER,
            {"Normal": 1},
            {"": 800},
            (
                Texts.of("The broker is down, or the network to it", ru="Брокер остановлен или нет сети до него"),
                Texts.of("No device is heard and none can be told", ru="Устройства не слышны и не управляются"),
                Texts.of("Check the broker and the way to it", ru="Проверить брокер и связь с ним"),
            ),
            delay_s=10.0,
        ),
        _alarm(
            "system_off_normal",
            "Historian",
            "historian_ready",
            _HISTORIAN,
            {"Normal": 1},
            {"": 700},
            (
                Texts.of(
                    "The database is down, full or refuses", ru="База данных недоступна, заполнена или отказывает"
                ),
                Texts.of("Values wait on the disk of the server", ru="Значения копятся на диске сервера"),
                Texts.of("Check the database and the way to it", ru="Проверить базу данных и связь с ней"),
            ),
            delay_s=10.0,
        ),
        _alarm(
            "exclusive_limit",
            "LoopLag",
            "loop_lag",
            _LAG,
            {"High": 1.0, "HighHigh": 5.0},
            {"High": 500, "HighHigh": 700},
            (
                Texts.of(
                    "More messages, clients or history queries than the machine can take",
                    ru="Сообщений, клиентов или запросов больше, чем выдерживает машина",
                ),
                Texts.of("Values and alarms come late", ru="Значения и тревоги приходят с опозданием"),
                Texts.of("Look for a load that is too high", ru="Найти причину перегрузки"),
            ),
            delay_s=10.0,
        ),
        _alarm(
            "exclusive_limit",
            "DiskFree",
            "disk_free",
            _DISK,
            {"Low": 10.0, "LowLow": 2.0},
            {"Low": 500, "LowLow": 800},
            (
                Texts.of(
                    "History, journals or other programs fill the disk",
                    ru="Диск заполняют архив, журналы или другие программы",
                ),
                Texts.of("Nothing can be stored when the disk is full", ru="При заполнении диска запись невозможна"),
                Texts.of("Free space or shorten what is kept", ru="Освободить место или сократить хранение"),
            ),
        ),
        _alarm(
            "certificate_expiration",
            "Certificate",
            "certificate_valid_until",
            _CERTIFICATE,
            {"ExpirationLimit": CERTIFICATE_S},
            {"Expiring": 500, "Expired": 800},
            (
                Texts.of("Certificates are valid for a limited time", ru="Срок действия сертификата ограничен"),
                Texts.of("Clients will refuse the server", ru="Клиенты откажутся от соединения"),
                Texts.of("Renew the certificate", ru="Обновить сертификат"),
            ),
        ),
        _alarm(
            "system_off_normal",
            "Storage",
            "alarms_not_kept",
            _STORAGE,
            {"Normal": 0},
            {"": 800},
            (
                Texts.of("The data disk is full or refuses", ru="Диск данных заполнен или отказывает"),
                Texts.of("A crash would lose acknowledgements", ru="При сбое подтверждения будут потеряны"),
                Texts.of("Free space on the data disk", ru="Освободить место на диске данных"),
            ),
        ),
        _alarm(
            "system_off_normal",
            "Notifications",
            "channels_failing",
            _CHANNELS,
            {"Normal": 0},
            {"": 500},
            (
                Texts.of("A receiver is away or refuses", ru="Получатель недоступен или отказывает"),
                Texts.of("Nobody outside the console is told of alarms", ru="Вне консоли никто не узнаёт о тревогах"),
                Texts.of("See /api/notifications for the reason", ru="Причину см. в /api/notifications"),
            ),
            delay_s=30.0,
        ),
    ),
    binding=DeviceBinding(type_id=SERVER_TYPE_ID, codec="", rows=(), uncertain_after_s=60.0, bad_after_s=300.0),
)
"""The type of the device `fieldloom-server`."""
