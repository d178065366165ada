"""`fieldloom cert`: who may connect. Works on the files, which a running server looks at for every connection."""

from __future__ import annotations

from typing import Annotated

import typer

from server.cli.serve import SettingsFile
from server.core.clock import SystemClock
from server.database.site import SiteDatabase
from server.security.pki import CertificateFolder, CertificateInfo, thumbprint_of
from server.settings import load

app = typer.Typer(no_args_is_help=True)
Thumbprint = Annotated[str, typer.Argument(help="SHA-1 thumbprint, as the list and client tools show it.")]


def _folder(settings: SettingsFile) -> CertificateFolder:
    configured = load(settings)
    folder = CertificateFolder(configured.certs_dir, SystemClock(), rejected_limit=configured.security.rejected_limit)
    folder.prepare()
    return folder


def _show(info: CertificateInfo) -> str:
    return f"{info.thumbprint}  until {info.not_after:%Y-%m-%d}  {info.application_uri or '(no URI)'}  {info.subject}"


@app.command()
def init(settings: SettingsFile = None) -> None:
    """Make the folders and our own certificate, when they are missing."""
    configured = load(settings)
    configured.data_dir.mkdir(parents=True, exist_ok=True)
    site = SiteDatabase(configured.data_dir / "site.db")
    try:
        host = configured.opcua.advertised_host or configured.opcua.host
        own = _folder(settings).own(site.application_uri(), [host])
    finally:
        site.close()
    typer.echo(f"{thumbprint_of(own.der)}  {site.application_uri()}  in {configured.certs_dir / 'own'}")


@app.command("list")
def list_(
    rejected: Annotated[bool, typer.Option("--rejected", help="Those refused lately, not those trusted.")] = False,
    settings: SettingsFile = None,
) -> None:
    """List trusted or rejected certificates: thumbprint, expiry, application, subject."""
    folder = _folder(settings)
    found = folder.list_rejected() if rejected else folder.list_trusted()
    for info in found:
        typer.echo(_show(info))
    if not found:
        typer.echo("none")


@app.command()
def trust(thumbprint: Thumbprint, settings: SettingsFile = None) -> None:
    """Trust a rejected certificate; counts at once."""
    typer.echo(f"trusted  {_show(_folder(settings).trust(thumbprint))}")


@app.command()
def reject(thumbprint: Thumbprint, settings: SettingsFile = None) -> None:
    """Trust a certificate no longer; counts for new connections at once."""
    typer.echo(f"rejected  {_show(_folder(settings).reject(thumbprint))}")
