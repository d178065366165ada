"""`fieldloom user`: accounts of the data folder; a running server sees changes at the next sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from server.cli.serve import SettingsFile
from server.core.clock import SystemClock
from server.database.site import SiteDatabase
from server.security.access import ROLES
from server.security.users import Accounts
from server.settings import load

app = typer.Typer(no_args_is_help=True)
User = Annotated[str, typer.Argument(help="Account name.")]
Role = Annotated[str, typer.Argument(help=f"One of {', '.join(ROLES)}.")]


@contextmanager
def _accounts(settings: SettingsFile) -> Iterator[Accounts]:
    configured = load(settings)
    configured.data_dir.mkdir(parents=True, exist_ok=True)
    site = SiteDatabase(configured.data_dir / "site.db")
    try:
        yield Accounts(site, configured.data_dir, SystemClock())
    finally:
        site.close()


@app.command()
def add(user: User, role: Role, settings: SettingsFile = None) -> None:
    """Add an account; the password is asked for, never an argument."""
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    with _accounts(settings) as accounts:
        accounts.add(user, role, password)
    typer.echo(f"added {user} as {role}")


@app.command("list")
def list_(settings: SettingsFile = None) -> None:
    """List accounts with role and state."""
    with _accounts(settings) as accounts:
        for row in accounts.list():
            typer.echo(f"{row.user}  {row.role}{'  locked' if row.locked else ''}")


@app.command()
def password(user: User, settings: SettingsFile = None) -> None:
    """Change a password."""
    new = typer.prompt("New password", hide_input=True, confirmation_prompt=True)
    with _accounts(settings) as accounts:
        accounts.set_password(user, new)
    typer.echo(f"changed the password of {user}")


@app.command()
def lock(
    user: User,
    unlock: Annotated[bool, typer.Option("--unlock", help="Let it in again.")] = False,
    settings: SettingsFile = None,
) -> None:
    """Lock an account, or unlock it."""
    with _accounts(settings) as accounts:
        accounts.lock(user, not unlock)
    typer.echo(f"{'unlocked' if unlock else 'locked'} {user}")


@app.command()
def role(user: User, role: Role, settings: SettingsFile = None) -> None:
    """Give an account another role."""
    with _accounts(settings) as accounts:
        accounts.set_role(user, role)
    typer.echo(f"{user} is now {role}")
