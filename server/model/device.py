"""A device instance and its live points."""

from __future__ import annotations

from collections.abc import Collection

from server.core import status
from server.core.clock import TimeUs
from server.core.status import StatusCode
from server.core.values import DeviceId, Scalar
from server.model.device_type import DeviceType, ParameterSpec


class Point:
    """The last accepted value of one parameter. Only `Plant` changes it."""

    __slots__ = ("server_time", "source_time", "spec", "status", "value")

    def __init__(self, spec: ParameterSpec) -> None:
        self.spec = spec  # as the EDD's conditions have it now for this device
        self.value: Scalar | None = None
        self.status: StatusCode = status.BAD_WAITING_FOR_INITIAL_DATA
        self.source_time: TimeUs = 0  # 0: nothing yet
        self.server_time: TimeUs = 0


class Device:
    """One field device: identity, place, live points, when it was last heard. Only `Plant` changes it."""

    __slots__ = (
        "attributes",
        "clock_lag_us",
        "created_at",
        "device_id",
        "device_type",
        "last_heard",
        "name",
        "newest",
        "path",
        "points",
        "stage",
    )

    def __init__(
        self,
        device_id: DeviceId,
        device_type: DeviceType,
        path: tuple[str, ...],
        created_at: TimeUs,
        *,
        points: bool = True,  # False: the caller puts them in
    ) -> None:
        self.device_id = device_id
        self.device_type = device_type
        self.path = path  # ISA-95 place: (facility, area, unit …), at least one part
        self.name = ""  # display name from plant.toml; "" = the id
        self.points: dict[str, Point] = (
            {name: Point(spec) for name, spec in device_type.parameters.items()} if points else {}
        )
        self.created_at = created_at
        self.last_heard: TimeUs = 0
        self.newest: TimeUs = 0  # newest source time heard
        self.clock_lag_us = 0  # receipt minus source time of the newest measurement
        self.stage = 0  # silence: 0 fresh, 1 uncertain, 2 bad
        self.attributes: dict[str, str] = {}  # nameplate facts told by the device: serial_number, model, firmware

    def converted_to(self, device_type: DeviceType, same: Collection[str] = ()) -> Device:
        """This device under another version of its type; this object stays as it is.

        Identity, place and values of unchanged data type go along. Parameters in `same`, which both versions describe
        alike, keep their very Point, and with it what conditions of the EDD make of it now.
        """
        new = Device(self.device_id, device_type, self.path, self.created_at, points=False)
        new.name, new.last_heard, new.stage, new.attributes = self.name, self.last_heard, self.stage, self.attributes
        new.newest, new.clock_lag_us = self.newest, self.clock_lag_us
        conditional: Collection[str] = getattr(device_type.logic, "dynamic", ())
        for name, spec in device_type.parameters.items():
            point = self.points.get(name)
            if point is not None and name in same:
                static = point.spec is self.device_type.parameters[name]
                if static:
                    point.spec = spec
                if static or name in conditional:
                    new.points[name] = point
                    continue
            fresh = new.points[name] = Point(spec)
            if point is not None and point.spec.data_type == spec.data_type:
                fresh.value, fresh.status = point.value, point.status
                fresh.source_time, fresh.server_time = point.source_time, point.server_time
        return new

    @property
    def silent(self) -> bool:
        """True when it has been quiet longer than `bad_after_s`, or was never heard in this run."""
        return self.stage == 2 or self.last_heard == 0

    def spec(self, name: str) -> ParameterSpec | None:
        """What a parameter means now on this device; None when there is none of this name."""
        point = self.points.get(name)
        return point.spec if point is not None else self.device_type.hidden.get(name)

    def limit_value(self, name: str) -> Scalar | None:
        """A parameter's reported value while it is usable, else the EDD's DEFAULT_VALUE."""
        point = self.points.get(name)
        if point is not None and point.value is not None:
            return point.value
        spec = self.device_type.parameters.get(name) or self.device_type.hidden.get(name)
        return spec.default_value if spec is not None else None
