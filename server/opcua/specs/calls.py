"""What handlers of the FDI and DI Methods have in common: which device is meant, who calls, Int32 answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncua import ua

from server.core import status
from server.core.errors import DeniedError, NotFoundError
from server.core.values import Caller, DeviceId
from server.model.plant import Plant
from server.opcua.method_calls import result
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import Key
from server.opcua.roles import Permissions
from server.opcua.services.context import Request, Session
from server.opcua.space import Space

ONLINE, OFFLINE = "Online", "Offline"
"""Names of the data sets below a device."""
_V = ua.VariantType


def session_of(request: Request) -> Session:
    """The session that calls. Raises DeniedError without one."""
    if request.session is None:
        raise DeniedError("there is no session")
    return request.session


def caller_of(request: Request) -> Caller:
    """Who calls. Raises DeniedError without a session."""
    return session_of(request).caller


def device_of(space: Space, plant: Plant, object_key: Key, part: str) -> tuple[DeviceId, str]:
    """(device, data set) of a part's Object: `<device>/<part>`, or `<device>/Online/<part>` and the like.

    Raises:
        NotFoundError: BadNodeIdUnknown; the Object is no such part.
    """
    if isinstance(object_key, tuple) and object_key[0] == space.indexes[PLANT_URI] and isinstance(object_key[1], str):
        pieces = object_key[1].split("/")
        device_id = DeviceId(pieces[0])
        middle = pieces[1:-1]
        if pieces[-1] == part and middle in ([], [ONLINE], [OFFLINE]) and device_id in plant.devices:
            return device_id, middle[0] if middle else ""
    raise NotFoundError(f"no device has {object_key!r}", status_code=status.BAD_NODE_ID_UNKNOWN)


def answer(*outputs: int | str | ua.Variant, inputs: int = 0) -> ua.CallMethodResult:
    """A Good result; integers go as Int32, texts as String. `inputs` is the number of arguments, all of them Good."""
    made = [
        output
        if isinstance(output, ua.Variant)
        else ua.Variant(output, _V.String if isinstance(output, str) else _V.Int32)
        for output in outputs
    ]
    return result(status.GOOD, made, (status.GOOD,) * inputs)


def text_of(argument: ua.Variant) -> str:
    """A String argument; a null one is empty."""
    return argument.Value or ""


def structures(items: Sequence[Any]) -> ua.Variant:
    """Structures as an array."""
    return ua.Variant(list(items), _V.ExtensionObject, is_array=True)


def structure(item: Any) -> ua.Variant:
    """One structure."""
    return ua.Variant(item, _V.ExtensionObject)


def allow(space: Space, uri: str, methods: Sequence[int], permissions: Permissions) -> None:
    """Let a type's Methods be called by these roles."""
    for number in methods:
        node = space.node(space.id(uri, number))
        space.store.reshape(node, permissions=permissions)
