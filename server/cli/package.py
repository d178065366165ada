"""`fieldloom package`: against a running server over HTTP, otherwise on the data folder itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from server.cli.assign import assign, release
from server.cli.draft import draft
from server.cli.package_report import listed, report_lines
from server.cli.remote import Remote, local_store, running
from server.cli.serve import SettingsFile
from server.cli.signer_files import load_signer, replace_file, time_stamper
from server.core.clock import SystemClock
from server.core.errors import RemoteError
from server.fdi.archive import ContainerLimits
from server.fdi.build import build_package, read_sources, source_folders
from server.fdi.check import inspect, inspect_sources
from server.fdi.package_views import summary
from server.fdi.report import report_of
from server.fdi.signature.chain import common_name
from server.fdi.signature.signing import sign_package
from server.fdi.store import read_file
from server.fdi.trust import policy_of
from server.settings import Settings, load

app = typer.Typer(no_args_is_help=True)
app.command()(draft)
app.command()(assign)
app.command()(release)
PackageName = Annotated[str, typer.Argument(help="A device type of the package, or the package id.")]
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
def check(
    file: Annotated[Path, typer.Argument(help="An FDI package (.fdix), or a source folder.")],
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
) -> None:
    """Check a package file or a source folder; exit code 0 good, 1 when there are errors."""
    configured = load(settings)
    limits = limits_of(configured)
    policy = policy_of(configured, SystemClock())
    if file.is_dir():
        result = inspect_sources(read_sources(file), limits, policy)
    else:
        result = inspect(read_file(file, limits), limits, policy)
    good = result.spotless if strict else result.good
    if as_json:
        typer.echo(json.dumps(report_of(result, good=good), ensure_ascii=False, indent=2))
    else:
        for line in report_lines(result, file.name, good=good):
            typer.echo(line)
    if not good:
        raise typer.Exit(1)


@app.command()
def sign(
    file: PackageFile,
    key: Annotated[Path, typer.Option("--key", help="Private key (PEM).")],
    certificate: Annotated[Path, typer.Option("--certificate", help="The signer's certificate (PEM or DER).")],
    chain: Annotated[
        list[Path] | None,
        typer.Option("--chain", help="Certificates between it and a trusted one; repeatable.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write; FILE itself when absent.")] = None,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help="File with the key's password.", show_default=False)
    ] = None,
    token_command: Annotated[
        str | None,
        typer.Option(
            "--time-stamp-command",
            help="Program that gets the bytes to stamp on its input and writes an RFC 3161 token (DER).",
            show_default=False,
        ),
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Add a digital signature to a package."""
    limits = limits_of(load(settings))
    signer = load_signer(key, certificate, chain or [], password_file)
    stamp = time_stamper(token_command) if token_command else None
    signed = sign_package(read_file(file, limits), signer, time=SystemClock().now(), stamp=stamp, limits=limits)
    target = out or file
    replace_file(target, signed)
    typer.echo(f"{target}: signed by {common_name(signer.certificate)}")


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
    """List the installed packages: device types, manufacturer, version, signature, package id; * is in use."""
    configured = load(settings)
    server = running(configured)
    if server is not None:
        found = Remote(server).packages()
    else:
        with local_store(configured, limits_of(configured)) as store:
            found = [summary(entry, current=store.in_use(entry)) for entry in store.list()]
            for refused in store.refused:
                typer.echo(f"refused: {refused.path}: {refused.error.text}", err=True)
    for line in listed(found):
        typer.echo(line)


@app.command()
def rollback(
    package: PackageName,
    to: Annotated[
        str | None, typer.Option("--to", help="Version to use; default: the next lower one.", show_default=False)
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Put an earlier version of a package in use; devices stay, and so does the choice."""
    configured = load(settings)
    server = running(configured)
    if server is not None:
        entry = Remote(server).rollback(package, to)
        typer.echo(f"{entry['package_id']} {entry['version']} is in use in the running server")
        return
    with local_store(configured, limits_of(configured)) as store:
        chosen = store.select(package, to)
        typer.echo(f"{chosen.package_id} {chosen.version} is in use from the next start on")


@app.command()
def remove(
    package: PackageName,
    version: Annotated[str | None, typer.Option("--version", help="One version only.", show_default=False)] = None,
    settings: SettingsFile = None,
) -> None:
    """Remove a package or one version; the next lower one takes over, else its devices go; history stays."""
    configured = load(settings)
    server = running(configured)
    if server is not None:
        Remote(server).remove(package, version)
        typer.echo(f"removed {package} from the running server")
        return
    with local_store(configured, limits_of(configured)) as store:
        for removed in store.remove(package, version):
            typer.echo(f"removed {removed.package_id} {removed.version}")
