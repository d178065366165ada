"""The dictionary of EDDL (IEC 62769-5): parameters of a type refer to an entry for each CLASS that authors agree on."""

from __future__ import annotations

from asyncua import ua

from server.model.device_type import DeviceType
from server.opcua.names import PARAMETER_SET, TYPES_URI
from server.opcua.specs.binding import Binding
from server.opcua.specs.linking import link_once, unlink
from server.opcua.specs.runtime import Runtime

PARAMETER_CLASS, ENTRY_TYPE = 1043, 1041
HAS_DICTIONARY_ENTRY = ua.NodeId(17597)
CLASSES = (
    "ALARM",
    "ANALOG_INPUT",
    "ANALOG_OUTPUT",
    "COMPUTATION",
    "CORRECTION",
    "DEVICE",
    "DIAGNOSTIC",
    "DISCRETE",
    "DYNAMIC",
    "INPUT",
    "LOCAL",
    "LOCAL_DISPLAY",
    "OPERATE",
    "OUTPUT",
    "SERVICE",
    "TUNE",
)
"""CLASS words with one meaning in the packages of all protocols; others have no entry."""


def bind(binding: Binding, _fdi: Runtime) -> None:
    """Entries now, references with every type that comes."""
    space = binding.space
    entries: dict[str, ua.NodeId] = {}
    for word in CLASSES:
        node_id = entries[word] = space.id(TYPES_URI, f"EddlDictionary/ParameterClass/{word}")
        space.object(
            node_id,
            space.name(TYPES_URI, word),
            space.id(TYPES_URI, ENTRY_TYPE),
            parent=space.id(TYPES_URI, PARAMETER_CLASS),
        )

    def refer(device_type: DeviceType, root: ua.NodeId) -> None:
        for name, spec in device_type.parameters.items():
            declared = ua.NodeId(f"{root.Identifier}/{PARAMETER_SET}/{name}", root.NamespaceIndex)
            for word, entry in entries.items():
                if word in spec.classes:
                    link_once(space, declared, HAS_DICTIONARY_ENTRY, entry)
                else:  # an earlier version of the type may have had it
                    unlink(space, declared, HAS_DICTIONARY_ENTRY, entry)

    binding.type_parts.append(refer)
