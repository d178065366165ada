"""Packages at run time: what an upload, a removal and a roll back do to store, plant and bridge. One at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog

from server.core.binding import DeviceBinding
from server.core.clock import Clock
from server.core.errors import IntegrationError, RemoteError
from server.core.status import name_of
from server.core.values import Caller
from server.fdi.package_views import summary, type_details
from server.fdi.signature.result import SignatureState
from server.fdi.store import InstalledPackage, PackageStore, StoreState
from server.fdi.type_switch import ShowOthers, Types, TypeSwitch
from server.model.device_type import DeviceType
from server.security.access import Right, require
from server.security.audit import AuditTrail, AuditWriter

TRUSTED = (SignatureState.VALID, SignatureState.VALID_WITH_WARNINGS)
log = structlog.get_logger("fieldloom.packages")


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
        show_others: ShowOthers | None = None,
        followed: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`followed`: called when types have come or gone, after plant and bridge follow them."""
        self._store = store
        self._followed = followed
        self._switch = TypeSwitch(types, bindings_changed, show_others)
        self._audit = AuditTrail(audit, clock)
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Show every type of the store; one that cannot be shown is told, and the server starts without it."""
        async with self._turn:
            await self._switch.follow(self._store.device_types(), self._store.other_types(), refused=_refused)
        states = [entry.signature.state for entry in self._store.list()]
        unsigned = states.count(SignatureState.UNSIGNED)
        untrusted = sum(state not in TRUSTED for state in states) - unsigned
        log.info("packages", installed=len(states), unsigned=unsigned, untrusted=untrusted)

    async def _follow(self, before: StoreState) -> None:
        """Let everything follow the store; when that fails, the store is what it was before, too."""
        try:
            await self._switch.follow(self._store.device_types(), self._store.other_types())
        except BaseException:
            await asyncio.to_thread(self._store.restore, before)
            raise
        if self._followed is not None:
            await self._followed()

    async def install(self, data: bytes, caller: Caller) -> list[dict[str, Any]]:
        """Take a package in; its types are usable when this returns.

        A version above the one in use takes over; a lower one is installed beside it.

        Raises:
            DeniedError: the caller may not.
            PackageError: it is refused, with part, line and rule; nothing changed.
        """
        async with self._turn:
            try:
                require(caller, Right.PACKAGES, "install packages")
                prepared = await asyncio.to_thread(self._store.prepare, data)
                before = self._store.snapshot()
                installed = await asyncio.to_thread(self._store.commit, prepared)
                await self._follow(before)
            except IntegrationError as error:
                await self._audit.write(caller, "package install", "", name_of(error.status), error.text)
                raise
        known = before.installed
        if (installed.package_id, installed.version) not in known:
            updated = self._store.in_use(installed) and any(package == installed.package_id for package, _ in known)
            _tell("package_updated" if updated else "package_installed", installed, caller)
        await self._audit.write(caller, "package install", _name(installed), "Good", installed.digest)
        return [self._summary(installed)]

    async def rollback(self, package: str, version: str | None, caller: Caller) -> dict[str, Any]:
        """Put an installed version in use that is not: the one named, else the next below the one in use.

        Its devices stay as they do in an update; the choice outlives a restart.

        Raises:
            DeniedError, NotFoundError: may not; not installed, or nothing below it.
        """
        async with self._turn:
            try:
                require(caller, Right.PACKAGES, "roll back packages")
                before = self._store.snapshot()
                chosen = await asyncio.to_thread(self._store.select, package, version)
                await self._follow(before)
            except IntegrationError as error:
                target = f"{package} {version}" if version else package
                await self._audit.write(caller, "package rollback", target, name_of(error.status), error.text)
                raise
        _tell("package_rolled_back", chosen, caller)
        await self._audit.write(caller, "package rollback", _name(chosen), "Good", chosen.digest)
        return self._summary(chosen)

    async def remove(self, package: str, version: str | None, caller: Caller) -> None:
        """Remove a package, or one version of it.

        When the version in use goes, the next lower one takes over; without one the devices go, their history stays.

        Raises:
            DeniedError, NotFoundError: may not; not there.
        """
        async with self._turn:
            try:
                require(caller, Right.PACKAGES, "remove packages")
                before = self._store.snapshot()
                removed = await asyncio.to_thread(lambda: self._store.remove(package, version, settle=False))
                await self._follow(before)
                await asyncio.to_thread(self._store.settle)
            except IntegrationError as error:
                await self._audit.write(caller, "package remove", package, name_of(error.status), error.text)
                raise
        for entry in removed:
            _tell("package_removed", entry, caller)
            await self._audit.write(caller, "package remove", _name(entry), "Good", entry.digest)

    def list(self) -> list[dict[str, Any]]:
        """A summary of every installed package and version."""
        return [self._summary(entry) for entry in self._store.list()]

    def details(self, package: str, version: str | None = None) -> dict[str, Any]:
        """Parameters, commands and documents of one package. Raises NotFoundError."""
        entry = self._store.details(package, version)
        return {**self._summary(entry), "types": [type_details(device_type) for device_type in entry.device_types]}

    def _summary(self, entry: InstalledPackage) -> dict[str, Any]:
        return summary(entry, current=self._store.in_use(entry))

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


def _refused(device_type: DeviceType, error: IntegrationError) -> None:
    log.error("type_refused", type=device_type.type_id, version=device_type.version, reason=error.text)


def _tell(event: str, entry: InstalledPackage, caller: Caller) -> None:
    log.info(
        event,
        user=caller.user,
        package=entry.package_id,
        types=[device_type.type_id for device_type in entry.device_types],
        version=entry.version,
        signature=entry.signature.state.value,
    )


def _name(entry: InstalledPackage) -> str:
    return f"{entry.package_id} {entry.version}"
