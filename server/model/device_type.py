"""What a device type is: declarative shapes made by `fdi` from a package, read by every other room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from server.core.binding import DeviceBinding
from server.core.texts import NO_TEXT, Texts
from server.core.units import EUInformation
from server.core.values import DeviceId, Scalar
from server.model.alarm_spec import AlarmSpec


class DataType(IntEnum):
    """Built-in types of OPC UA that a parameter can have; the number is the DataType's NodeId in namespace 0."""

    BOOLEAN = 1
    SBYTE = 2
    BYTE = 3
    INT16 = 4
    UINT16 = 5
    INT32 = 6
    UINT32 = 7
    INT64 = 8
    UINT64 = 9
    FLOAT = 10
    DOUBLE = 11
    STRING = 12
    DATETIME = 13
    BYTESTRING = 15
    DURATION = 290

    @property
    def numeric(self) -> bool:
        """True for what limits, ranges and aggregates apply to."""
        return DataType.SBYTE <= self <= DataType.DOUBLE or self is DataType.DURATION

    @property
    def integer(self) -> bool:
        """True for whole numbers."""
        return DataType.SBYTE <= self <= DataType.UINT64

    @property
    def stepped(self) -> bool:
        """Stepped of its history: only what is measured in fractions moves along a line between two values."""
        return self not in (DataType.FLOAT, DataType.DOUBLE, DataType.DURATION)

    @property
    def limits(self) -> tuple[float, float] | None:
        """(least, greatest) that the wire can carry; None for what is no number, DOUBLE included (it carries all)."""
        return _LIMITS.get(self)


_LIMITS: Mapping[DataType, tuple[float, float]] = {
    DataType.SBYTE: (-(2**7), 2**7 - 1),
    DataType.BYTE: (0, 2**8 - 1),
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.UINT32: (0, 2**32 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT64: (0, 2**64 - 1),
    DataType.FLOAT: (-3.4028234663852886e38, 3.4028234663852886e38),
}


@dataclass(frozen=True, slots=True)
class EnumValue:
    """One entry of an enumeration, or one mask of a bit enumeration."""

    value: int
    text: Texts
    help: Texts = NO_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """One parameter of a device type (EDD VARIABLE)."""

    name: str  # EDD identifier; BrowseName in the package's namespace
    label: Texts
    help: Texts = NO_TEXT
    data_type: DataType
    edd_type: str = ""  # "DOUBLE", "ENUMERATED", "BIT_ENUMERATED", …
    unit: EUInformation | None = None
    unit_symbol: str = ""
    unit_from: str = ""  # the parameter whose value names the unit (EDD UNIT relation)
    ranges: tuple[tuple[float, float], ...] = ()  # legal pairs (low, high); EURange is their hull
    enum_values: tuple[EnumValue, ...] = ()
    readable: bool = True
    writable: bool = False
    dynamic: bool = False  # CLASS DYNAMIC: measured, changes by itself
    classes: frozenset[str] = frozenset()
    default_value: Scalar | None = None  # judged until the device reports its own
    initial_value: Scalar | None = None
    display_format: str = ""
    max_length: int | None = None
    private: bool = False  # not shown outside (EDD PRIVATE)
    valid: bool = True  # EDD VALIDITY: False means that the item does not exist for the user now
    visible: bool = True  # EDD VISIBILITY: only hides in user interfaces
    local: bool = False  # CLASS LOCAL: lives in the server, never in the device
    scaling_factor: float | None = None  # told to clients; value and ranges stay raw

    @property
    def eu_range(self) -> tuple[float, float] | None:
        """(low, high) of EURange, or None."""
        if not self.ranges:
            return None
        return min(low for low, _ in self.ranges), max(high for _, high in self.ranges)

    @property
    def bit_enumerated(self) -> bool:
        return self.edd_type == "BIT_ENUMERATED"


@dataclass(frozen=True, slots=True)
class SpecChange:
    """A parameter of one device means something else now: another range, unit, label, access or validity."""

    device_id: DeviceId
    parameter: str
    old: ParameterSpec
    new: ParameterSpec


@dataclass(frozen=True, slots=True)
class ArgumentSpec:
    """One argument of a method."""

    name: str
    data_type: DataType
    description: Texts = NO_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSpec:
    """One UA Method in MethodSet, made from the command table."""

    name: str  # BrowseName: "SetThreshold"
    command: str  # on the wire: "set_threshold"
    label: Texts = NO_TEXT
    description: Texts = NO_TEXT
    inputs: tuple[ArgumentSpec, ...] = ()
    params: tuple[str, ...] = ()  # wire names of the inputs, same order
    outputs: tuple[ArgumentSpec, ...] = ()
    role: str = "operator"


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """The signature of one EDD METHOD; it runs as an FDI Action, not as a UA Method."""

    name: str
    label: Texts
    help: Texts
    parameters: tuple[tuple[str, str], ...] = ()  # (C type, name)
    access: str = ""  # "ONLINE", "OFFLINE" or "" for both


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """One FunctionalGroup, from an EDD MENU."""

    name: str  # BrowseName
    label: Texts
    help: Texts = NO_TEXT
    parameters: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    groups: tuple[GroupSpec, ...] = ()
    standard: bool = False  # BrowseName is one that DI recommends: lives in the DI namespace
    menu: str = ""  # name of the EDD MENU: its UIDescription is generated from it
    actions: tuple[str, ...] = ()  # EDD METHODs that the menu offers
    uips: tuple[str, ...] = ()  # UipId of the plug-ins that the menu starts


@dataclass(frozen=True, slots=True)
class HealthSpec:
    """One bit of a DIAGNOSTIC BIT_ENUMERATED parameter and what it says of the device (NAMUR NE 107)."""

    parameter: str
    mask: int
    health: int  # DeviceHealthEnumeration: 1 FAILURE, 2 CHECK_FUNCTION, 3 OFF_SPEC, 4 MAINTENANCE_REQUIRED
    text: Texts
    help: Texts = NO_TEXT


@dataclass(frozen=True, slots=True)
class UipVariant:
    """One variant of a User Interface Plug-in: opaque bytes for clients, never run here."""

    version: str
    fdi_version: str
    platform: str
    runtime: str
    cpu: str
    file: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class UipSpec:
    """A User Interface Plug-in (IEC 62769-4)."""

    uip_id: str  # lower case UUID
    version: str
    name: Texts
    description: Texts = NO_TEXT
    start_element: str = ""
    style: int = 1  # StyleType: 1 Window, 2 Dialog
    variants: tuple[UipVariant, ...] = ()
    documents: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """One document or image of the package."""

    name: str  # file name
    title: Texts
    content_type: str
    data: bytes
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceType:
    """A device type, whole. Only `fdi` makes one; nobody else can tell which package it came from."""

    type_id: str  # "smart_breaker"; NodeId `s=<type_id>` in namespace_uri; unique among installed packages
    package_id: str  # lower case UUID
    version: str  # package version
    signature: str = "Unsigned"  # state of the package's signature
    signer: str = ""  # common name of who signed it; "" when nobody did
    namespace_uri: str  # urn:fieldloom:fdi:<package_id>
    label: Texts
    description: Texts = NO_TEXT
    manufacturer: Texts
    model: Texts
    device_revision: str = ""
    classification: str = ""
    parameters: Mapping[str, ParameterSpec]
    methods: tuple[MethodSpec, ...] = ()
    actions: tuple[ActionSpec, ...] = ()
    groups: tuple[GroupSpec, ...] = ()
    alarms: tuple[AlarmSpec, ...] = ()  # those of `health` come besides
    binding: DeviceBinding
    documents: tuple[Attachment, ...] = ()
    images: tuple[Attachment, ...] = ()
    icon: Attachment | None = None
    area: tuple[str, ...] = ()  # default place in the plant for devices that plant.toml does not name
    hidden: Mapping[str, ParameterSpec] = field(default_factory=dict)  # PRIVATE parameters
    logic: Any = field(default=None, compare=False, repr=False)  # the EDD that runs: server.fdi.logic.TypeLogic
    health: tuple[HealthSpec, ...] = ()
    uips: tuple[UipSpec, ...] = ()
    protocol_support: tuple[Attachment, ...] = ()
    manufacturer_id: str = ""  # of the catalog's interface, such as 0x0F1D: what devices are matched by
    model_id: str = ""
    revisions: tuple[str, ...] = ()  # device revisions that the type serves; () = all

    def parameter_for_threshold(self) -> frozenset[str]:
        """Names that a `set_threshold` command may carry: the writable parameters."""
        return frozenset(name for name, spec in self.parameters.items() if spec.writable)
