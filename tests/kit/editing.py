"""A boiler whose parameters depend on each other, with fakes of what editing needs around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from server.core import status
from server.core.clock import ManualClock
from server.core.status import StatusCode
from server.core.values import Caller, DeviceId, Measurement, PointUpdate, Scalar
from server.database.device_values import DeviceValueRow
from server.fdi.logic.type_logic import ValueSource
from server.model.device_type import DataType, DeviceType, EnumValue, ParameterSpec
from server.model.plant import Plant
from server.pipeline.commands import check_value
from tests.kit.plant import parameter, pump_type

BOILER = DeviceId("boiler-1")
ANNA = Caller("anna", "engineer", "opcua", session="s1", application="urn:anna")
BORIS = Caller("boris", "engineer", "opcua", session="s2", application="urn:boris")


def _setting(name: str, data_type: DataType = DataType.DOUBLE, **more: object) -> ParameterSpec:
    return parameter(name, data_type, **{"dynamic": False, "writable": True, **more})


PARAMETERS: Mapping[str, ParameterSpec] = {
    spec.name: spec
    for spec in (
        _setting("low", default_value=10.0, ranges=((0.0, 100.0),)),
        _setting("high", default_value=90.0, ranges=((0.0, 100.0),)),
        _setting("unit", DataType.BYTE, edd_type="ENUMERATED"),
        _setting("span", ranges=((0.0, 1000.0),)),
        _setting("odd", default_value=500.0, ranges=((0.0, 100.0),)),  # its default lies outside its range
        _setting("mode", DataType.BYTE),
        _setting("extra", DataType.STRING),
        parameter("pressure"),
    )
}
PARAMETERS = {
    **PARAMETERS,
    "unit": replace(
        PARAMETERS["unit"], enum_values=tuple(EnumValue(n, parameter(t).label) for n, t in ((0, "bar"), (1, "kPa")))
    ),
}
HIDDEN: Mapping[str, ParameterSpec] = {"secret": _setting("secret", private=True, default_value=1.0)}


class BoilerRules:
    """`high` may not be below `low`; `span` is in `unit`; `extra` is valid in mode 1; `low` and `high` go together."""

    def __init__(self) -> None:
        self.parameters: Mapping[str, ParameterSpec] = {**PARAMETERS, **HIDDEN}

    def spec(self, name: str, values: ValueSource) -> ParameterSpec:
        static = self.parameters[name]
        low = values.value("low") if name == "high" else None
        if isinstance(low, float) and low > 0.0:
            return replace(static, ranges=((low, 100.0),))
        if name == "extra" and values.value("mode") == 0:
            return replace(static, valid=False)
        return static

    def check(self, name: str, value: Scalar, values: ValueSource) -> StatusCode:
        spec = self.spec(name, values)
        return check_value(spec, value) if spec.writable and spec.valid else status.BAD_NOT_WRITABLE

    def dependents(self, names: Iterable[str]) -> frozenset[str]:
        depend = {"low": {"high"}, "mode": {"extra", "menu:main"}}
        return frozenset(found for name in names for found in depend.get(name, ()))

    def dominants(self, name: str) -> frozenset[str]:
        return frozenset({"unit"}) if name in ("span", "low") else frozenset()

    def dependants(self, name: str) -> frozenset[str]:
        return frozenset({"span", "low"}) if name == "unit" else frozenset()

    def write_together(self, name: str) -> tuple[str, ...]:
        return ("low", "high") if name in ("low", "high") else ()

    def download_order(self) -> tuple[str, ...]:
        return ("unit", "mode", "low", "high", "span", "odd", "extra")

    def upload_order(self) -> tuple[str, ...]:
        return ("pressure", *self.download_order())


def boiler_type(**changes: object) -> DeviceType:
    """The type of the boiler; `changes` replace fields of it."""
    whole: dict[str, object] = {"parameters": PARAMETERS, "hidden": HIDDEN, "logic": BoilerRules(), **changes}
    return replace(pump_type("boiler"), alarms=(), **whole)  # type: ignore[arg-type]


def boiler_plant(clock: ManualClock, **values: Scalar) -> Plant:
    """A plant with one boiler that has just reported these values (and `pressure`)."""
    plant = Plant()
    plant.install(boiler_type())
    report(plant, clock, pressure=1.0, **values)
    return plant


def report(plant: Plant, clock: ManualClock, type_id: str = "boiler", **values: Scalar) -> Sequence[PointUpdate]:
    """The boiler, or the only device of another type, says these values; what the plant made of them."""
    clock.advance(0.001)
    now = clock.now()
    taken = tuple((name, value, status.GOOD) for name, value in values.items())
    device_id = next((device.device_id for device in plant.devices_of(type_id)), BOILER)
    return plant.apply(Measurement(type_id, device_id, taken, now, now), now).updates


class Disk:
    """Records that only remember; `full` makes them refuse."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], Scalar] = {}
        self.error: Exception | None = None

    def load_device_values(self) -> list[DeviceValueRow]:
        return [DeviceValueRow(*key, value) for key, value in self.rows.items()]

    def save_device_values(self, rows: list[DeviceValueRow]) -> None:
        if self.error is not None:
            raise self.error
        for row in rows:
            key = (row.device_id, row.kind, row.name)
            if row.value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row.value

    def delete_device_values(self, device_id: str) -> None:
        for key in [key for key in self.rows if key[0] == device_id]:
            del self.rows[key]


@dataclass
class FakeAccess:
    """The way to the boiler: what it is told it reports, except what `refuse` names."""

    plant: Plant
    clock: ManualClock
    type_id: str = "boiler"
    refuse: dict[str, StatusCode] = field(default_factory=dict)
    unreadable: dict[str, StatusCode] = field(default_factory=dict)
    writes: list[tuple[str, Scalar]] = field(default_factory=list)
    reads: list[tuple[str, ...]] = field(default_factory=list)

    async def write(self, device_id: str, name: str, value: Scalar, caller: Caller) -> StatusCode:
        self.writes.append((name, value))
        code = self.refuse.get(name, status.GOOD)
        if status.is_good(code):
            report(self.plant, self.clock, self.type_id, **{name: value})
        return code

    async def read(
        self,
        device_id: str,
        names: Iterable[str],
        caller: Caller,
    ) -> Mapping[str, tuple[Scalar | None, StatusCode]]:
        wanted = tuple(names)
        self.reads.append(wanted)
        points = self.plant.device(device_id).points
        return {
            name: (points[name].value, self.unreadable.get(name, points[name].status))
            for name in wanted
            if name in points
        }
