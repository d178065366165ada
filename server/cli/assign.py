"""`fieldloom package assign` and `release`: the type of a device, chosen by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from server.cli.remote import Remote, local_store, running
from server.cli.serve import SettingsFile
from server.core.errors import NotFoundError, RemoteError
from server.database.site import SiteDatabase
from server.fdi.archive import ContainerLimits
from server.model.plant import DEVICE_ID, RESERVED_IDS
from server.settings import load

Device = Annotated[str, typer.Argument(help="Device id.")]


def assign(
    device: Device,
    type_id: Annotated[str, typer.Argument(metavar="TYPE", help="Id of an installed device type.")],
    settings: SettingsFile = None,
) -> None:
    """Choose the type of a device where types share its topic; a running server follows at once."""
    configured = load(settings)
    server = running(configured)
    if server is not None:
        found = Remote(server).assign(device, type_id)
        typer.echo(f"{device} is to be {found['chosen']}; now it is {found['type'] or 'not heard yet'}")
        return
    if not DEVICE_ID.fullmatch(device) or device in RESERVED_IDS:
        raise RemoteError(f"{device!r} is no device id")
    with local_store(configured, ContainerLimits()) as store:
        if type_id not in {kind.type_id for kind in store.device_types()}:
            raise NotFoundError(f"no device type {type_id!r}")
        site = SiteDatabase(configured.data_dir / "site.db")
        try:
            site.assign_type(device, type_id)
        finally:
            site.close()
    typer.echo(f"{device} is {type_id} from the next start on")


def release(device: Device, settings: SettingsFile = None) -> None:
    """Let a device be again what it says itself."""
    configured = load(settings)
    server = running(configured)
    if server is not None:
        Remote(server).release(device)
        typer.echo(f"{device} comes back with its next message")
        return
    with local_store(configured, ContainerLimits()):
        site = SiteDatabase(configured.data_dir / "site.db")
        try:
            if device not in site.assigned_types():
                raise NotFoundError(f"no type was chosen for device {device!r}")
            site.assign_type(device, None)
            site.delete_device(device)
        finally:
            site.close()
    typer.echo(f"{device} comes back with its next message")
