"""`fieldloom package`: against a running server over HTTP, otherwise on the data folder itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.cli.remote import Remote, local_store, running
from server.cli.serve import SettingsFile
from server.core.errors import RemoteError
from server.fdi.archive import ContainerLimits
from server.fdi.build import build_package, check_package, source_folders
from server.fdi.store import read_file
from server.settings import Settings, load

app = typer.Typer(no_args_is_help=True)
PackageFile = Annotated[Path, typer.Argument(help="An FDI package (.fdix).")]


def limits_of(settings: Settings) -> ContainerLimits:
    """The container limits in force."""
    packages = settings.packages
    return ContainerLimits(
        max_bytes=packages.max_bytes,
        max_unpacked_bytes=packages.max_unpacked_bytes,
        max_ratio=packages.max_ratio,
        max_parts=packages.max_parts,
    )


@app.command()
def build(
    source: Annotated[Path, typer.Argument(help="One package source, or the folder of many.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the built packages.")] = Path("fdi_packages"),
) -> None:
    """Build packages from their sources; the same bytes each time."""
    folders = source_folders(source)
    if not folders:
        raise RemoteError(f"{source}: no package source here (a folder with catalog.toml)")
    for folder in folders:
        typer.echo(str(build_package(folder, out)))


@app.command()
def check(file: PackageFile, settings: SettingsFile = None) -> None:
    """Check a package file as the server would at upload."""
    limits = limits_of(load(settings))
    report = check_package(read_file(file, limits), limits)
    for device_type in report.device_types:
        typer.echo(
            f"{device_type.type_id}: {len(device_type.parameters)} parameters, {len(device_type.methods)} methods, "
            f"{len(device_type.limit_alarms) + len(device_type.trip_alarms)} alarms"
        )
    for warning in report.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"{file.name}: good, {report.size_bytes} bytes, sha256 {report.digest}")


@app.command()
def install(file: PackageFile, settings: SettingsFile = None) -> None:
    """Install a package; a running server takes it at once."""
    configured = load(settings)
    data = read_file(file, limits_of(configured))
    server = running(configured)
    if server is not None:
        for entry in Remote(server).upload(data):
            typer.echo(f"installed {entry['package_id']} {entry['version']} in the running server")
        return
    with local_store(configured, limits_of(configured)) as store:
        installed = store.install(data)
        typer.echo(f"installed {installed.package_id} {installed.version}; it counts at the next start")


@app.command("list")
def list_(settings: SettingsFile = None) -> None:
    """List the installed packages."""
    configured = load(settings)
    server = running(configured)
    if server is not None:
        for entry in Remote(server).packages():
            types = ", ".join(str(item["type_id"]) for item in entry["device_types"])
            typer.echo(f"{entry['package_id']}  {entry['version']}  {types}")
        return
    with local_store(configured, limits_of(configured)) as store:
        for installed in store.list():
            types = ", ".join(device_type.type_id for device_type in installed.device_types)
            typer.echo(f"{installed.package_id}  {installed.version}  {types}")


@app.command()
def remove(
    package: Annotated[str, typer.Argument(help="Package id.")],
    version: Annotated[str | None, typer.Option("--version", help="One version only.", show_default=False)] = None,
    settings: SettingsFile = None,
) -> None:
    """Remove a package; its devices go, their history stays."""
    configured = load(settings)
    server = running(configured)
    if server is not None:
        Remote(server).remove(package, version)
        typer.echo(f"removed {package} from the running server")
        return
    with local_store(configured, limits_of(configured)) as store:
        for removed in store.remove(package, version):
            typer.echo(f"removed {removed.package_id} {removed.version}")
