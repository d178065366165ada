"""Lets plant, address space and bridge follow the store: all of it, or everything stays as it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from server.core.binding import DeviceBinding
from server.core.errors import IntegrationError
from server.model.device_type import DeviceType


class Types(Protocol):
    """What the pipeline does with device types."""

    async def install(self, device_type: DeviceType) -> None: ...

    async def uninstall(self, type_id: str) -> None: ...


ShowOthers = Callable[[Sequence[DeviceType]], Awaitable[None]]
"""Takes the types of installed versions that are not in use, to be seen beside those that are."""


class TypeSwitch:
    """The types that are in force now."""

    def __init__(
        self,
        types: Types,
        bindings_changed: Callable[[Iterable[DeviceBinding]], None],
        show_others: ShowOthers | None = None,
    ) -> None:
        self._types = types
        self._bindings_changed = bindings_changed
        self._show_others = show_others
        self._shown: dict[str, DeviceType] = {}

    async def follow(
        self,
        wanted: Iterable[DeviceType],
        others: Sequence[DeviceType] = (),
        *,
        refused: Callable[[DeviceType, IntegrationError], None] | None = None,
    ) -> None:
        """Put types in force; those that are so already are not touched, those that are not wanted go last.

        Raises whatever one of the steps does; the steps before it are taken back then. With `refused`, a type that
        cannot be installed is handed to it instead, and the rest goes on.
        """
        before, after = dict(self._shown), {device_type.type_id: device_type for device_type in wanted}
        touched: list[str] = []
        try:
            for type_id, device_type in list(after.items()):
                if before.get(type_id) is device_type:
                    continue
                try:
                    await self._types.install(device_type)
                except IntegrationError as error:
                    if refused is None:
                        raise
                    refused(device_type, error)
                    del after[type_id]
                else:
                    touched.append(type_id)
            self._bindings_changed([device_type.binding for device_type in after.values()])
            if self._show_others is not None:
                await self._show_others(others)
        except BaseException:
            for type_id in reversed(touched):
                if type_id in before:
                    await self._types.install(before[type_id])
                else:
                    await self._types.uninstall(type_id)
            if touched:
                self._bindings_changed([device_type.binding for device_type in before.values()])
            raise
        self._shown = after
        for type_id in before.keys() - after.keys():
            await self._types.uninstall(type_id)
