"""Packages at run time: what an upload, a removal and a listing do to store, plant and bridge. One at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from server.core.binding import DeviceBinding
from server.core.clock import Clock
from server.core.errors import IntegrationError, RemoteError
from server.core.status import name_of
from server.core.values import Caller
from server.fdi.store import InstalledPackage, PackageStore
from server.model.device_type import DeviceType, ParameterSpec
from server.security.access import Right, require
from server.security.audit import AuditTrail, AuditWriter


class Types(Protocol):
    """What the pipeline does with device types."""

    async def install(self, device_type: DeviceType) -> None: ...

    async def uninstall(self, type_id: str) -> None: ...


class PackageService:
    """Every door to packages comes through here."""

    def __init__(
        self,
        store: PackageStore,
        types: Types,
        *,
        bindings_changed: Callable[[Iterable[DeviceBinding]], None],
        audit: AuditWriter,
        clock: Clock,
    ) -> None:
        self._store = store
        self._types = types
        self._bindings_changed = bindings_changed
        self._audit = AuditTrail(audit, clock)
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Show every type of the store."""
        async with self._turn:
            for device_type in self._store.device_types():
                await self._types.install(device_type)
            self._bind()

    def _bind(self) -> None:
        self._bindings_changed([device_type.binding for device_type in self._store.device_types()])

    async def install(self, data: bytes, caller: Caller) -> list[dict[str, Any]]:
        """Take a package in; its types are usable when this returns.

        Raises:
            DeniedError: the caller may not.
            PackageError: it is refused, with part, line and rule; nothing changed.
        """
        async with self._turn:
            try:
                require(caller, Right.PACKAGES, "install packages")
                installed = await asyncio.to_thread(self._store.install, data)
            except IntegrationError as error:
                await self._audit.write(caller, "package install", "", name_of(error.status), error.text)
                raise
            for device_type in self._store.device_types():
                if device_type.package_id == installed.package_id:
                    await self._types.install(device_type)
            self._bind()
        await self._audit.write(caller, "package install", _name(installed), "Good", installed.digest)
        return [summary(installed)]

    async def remove(self, package: str, version: str | None, caller: Caller) -> None:
        """Remove a package, or one version of it; its devices go, their history stays.

        Raises:
            DeniedError, NotFoundError: may not; not there.
        """
        async with self._turn:
            try:
                require(caller, Right.PACKAGES, "remove packages")
                before = {entry.type_id for entry in self._store.device_types()}
                removed = await asyncio.to_thread(self._store.remove, package, version)
            except IntegrationError as error:
                await self._audit.write(caller, "package remove", package, name_of(error.status), error.text)
                raise
            after = {entry.type_id: entry for entry in self._store.device_types()}
            identifiers = {entry.package_id for entry in removed}
            for type_id in before - after.keys():
                await self._types.uninstall(type_id)
            for device_type in after.values():
                if device_type.package_id in identifiers:
                    await self._types.install(device_type)  # an older version takes over
            self._bind()
        for entry in removed:
            await self._audit.write(caller, "package remove", _name(entry), "Good", entry.digest)

    def list(self) -> list[dict[str, Any]]:
        """A summary of every installed package and version."""
        return [summary(entry) for entry in self._store.list()]

    def details(self, package: str, version: str | None = None) -> dict[str, Any]:
        """Parameters, commands and documents of one package. Raises NotFoundError."""
        entry = self._store.details(package, version)
        return {**summary(entry), "types": [_details(device_type) for device_type in entry.device_types]}

    def document(self, package: str, name: str) -> tuple[str, bytes]:
        """(content type, bytes) of one document or image.

        Raises:
            RemoteError: there is none of this name.
        """
        for device_type in self._store.details(package).device_types:
            for attachment in (*device_type.documents, *device_type.images):
                if attachment.name == name:
                    return attachment.content_type, attachment.data
        raise RemoteError(f"no document {name!r} in {package}")


def _name(entry: InstalledPackage) -> str:
    return f"{entry.package_id} {entry.version}"


def summary(entry: InstalledPackage) -> dict[str, Any]:
    """What a list shows of a package."""
    return {
        "package_id": entry.package_id,
        "version": entry.version,
        "manufacturer": entry.catalog.manufacturer,
        "device_types": [
            {"type_id": device_type.type_id, "name": dict(device_type.label.by_language)}
            for device_type in entry.device_types
        ],
        "size_bytes": entry.size_bytes,
        "digest": entry.digest,
        "warnings": list(entry.warnings),
    }


def _details(device_type: DeviceType) -> dict[str, Any]:
    return {
        "type_id": device_type.type_id,
        "name": dict(device_type.label.by_language),
        "parameters": [_parameter(spec) for spec in device_type.parameters.values()],
        "commands": [
            {
                "name": command.name,
                "method": command.method,
                "description": dict(command.description),
                "role": command.role,
                "arguments": [
                    {"name": argument.param, "type": argument.data_type, "description": dict(argument.description)}
                    for argument in command.arguments
                ],
            }
            for command in device_type.binding.commands
        ],
        "documents": [
            {"name": document.name, "title": dict(document.title.by_language), "content_type": document.content_type}
            for document in device_type.documents
        ],
        "alarms": [spec.parameter for spec in device_type.limit_alarms]
        + [spec.name for spec in device_type.trip_alarms],
    }


def _parameter(spec: ParameterSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "label": dict(spec.label.by_language),
        "help": dict(spec.help.by_language),
        "data_type": spec.data_type.name,
        "unit": spec.unit_symbol,
        "range": list(spec.eu_range) if spec.eu_range is not None else None,
        "writable": spec.writable,
        "enumeration": {str(entry.value): dict(entry.text.by_language) for entry in spec.enum_values},
    }
