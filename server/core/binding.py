"""How a device type talks MQTT: the content of a package's `mqtt.toml`, already checked. Pure data for `bridge`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ParameterBinding:
    """Where one parameter stands in a payload."""

    parameter: str  # EDD identifier
    pointer: str  # JSON Pointer (RFC 6901) from the row; with `key` set: pointer of the list of {key, value} pairs
    kind: str  # "float", "integer", "boolean", "string": what the JSON value must be
    unit_pointer: str = ""  # pointer of the unit text in the payload; compared with the EDD's unit
    unit: str = ""  # the EDD's unit symbol; a payload that says otherwise is counted as a mismatch
    key: str = ""  # value of `key_name` that selects the entry in a list of metrics (plant assets)
    optional: bool = True  # False: the row is refused when it is missing
    minimum: float | None = None  # integers: what the UA type can hold
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class RowBinding:
    """One kind of message: which topic, where its rows, ids, times and values are."""

    topic: str  # MQTT filter with named parts: "engines/{device}/telemetry"
    parameters: tuple[ParameterBinding, ...] = ()
    device_pointer: str = ""  # id in the payload; must agree with the topic's {device} when both exist
    sensor_pointer: str = ""  # a further sensor of the same device: becomes device "<id>.<sensor>"
    time_pointer: str = ""  # "" takes the time of receipt
    time_form: str = ""  # "": ISO 8601 text with a zone; "epoch_s", "epoch_ms": a number since 1970-01-01T00:00:00Z
    quality_pointer: str = ""
    quality_map: str = ""  # "quality_flag" (0 good, 1 uncertain, 2 bad) or ""
    list_pointer: str = ""  # list of metrics with key_name/value_name entries
    key_name: str = ""
    value_name: str = ""
    unit_name: str = ""
    # Object keyed by EDD identifier (status messages); `parameters` lists every one that may stand in it, with its
    # pointer below this one.
    values_pointer: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)  # nameplate fact -> pointer
    rows: bool = False  # the payload may be an array of such rows (back-fill)
    count_only: bool = False  # taken and counted, carries no parameters


@dataclass(frozen=True, slots=True)
class ArgumentBinding:
    """One input argument of a command."""

    name: str  # argument name as the OPC UA method shows it: "Name"
    param: str  # key in `params` on the wire: "name"
    data_type: str  # "String", "Double", "Boolean", "Int32"
    description: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommandBinding:
    """One entry of the command table: a UA Method and what goes over MQTT for it."""

    name: str  # on the wire: "trip"
    method: str  # BrowseName in MethodSet: "Trip"; "" = not offered as a method
    description: Mapping[str, str] = field(default_factory=dict)
    label: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[ArgumentBinding, ...] = ()
    answer: str = ""  # "report": the answer's values as JSON in one output argument `Report: String`
    role: str = "operator"  # least role that may call it
    writes: str = ""  # "parameter": this command carries a plain Write (arguments are name and value)
    reads: str = ""  # "parameters": its answer's values are the device's parameters as they are now


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """What the catalog says of the devices that a type is for."""

    manufacturer: str = ""  # such as 0x0F1D
    model: str = ""
    revisions: tuple[str, ...] = ()  # () = all
    profile: bool = False  # for any manufacturer: taken when nothing more exact is installed


@dataclass(frozen=True, slots=True)
class DeviceBinding:
    """Everything the bridge needs to know about one device type."""

    type_id: str
    codec: str  # name of a codec in bridge/codecs: "pointer_json"
    rows: tuple[RowBinding, ...]
    command_topic: str = ""  # "iot/{device}/command"
    response_topic: str = ""  # "iot/{device}/response"
    commands: tuple[CommandBinding, ...] = ()
    device_id: str = "{device}"  # how the device id is built from topic parts: "{facility}.{asset}"
    uncertain_after_s: float = 5.0  # silence until Uncertain_LastUsableValue
    bad_after_s: float = 30.0  # silence until Bad_NoCommunication
    identity: DeviceIdentity = field(default_factory=DeviceIdentity)  # decides where types share a topic

    def command(self, name: str) -> CommandBinding | None:
        """The command with this wire name, or None."""
        for entry in self.commands:
            if entry.name == name:
                return entry
        return None
