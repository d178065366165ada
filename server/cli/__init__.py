"""The `fieldloom` command: parses arguments, calls one function, turns its errors into one line and an exit code."""

from __future__ import annotations

import sys

import typer

from server.cli import cert, history, nodeset, package, serve, user
from server.cli import settings as settings_command
from server.core.errors import ConfigurationError, IntegrationError, InUseError

app = typer.Typer(
    name="fieldloom",
    help="OPC UA and FDI integration server: FDI packages in, OPC UA out, MQTT devices live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(serve.run)
app.command("demo")(serve.demo)
app.command("simulate", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(serve.simulate)
app.command("settings")(settings_command.show)
app.add_typer(package.app, name="package", help="FDI packages: learn, build, check, sign, install, roll back.")
app.add_typer(nodeset.app, name="nodeset", help="NodeSets: build from source, check, list.")
app.add_typer(cert.app, name="cert", help="Certificates: own, trusted, rejected.")
app.add_typer(user.app, name="user", help="Accounts.")
app.add_typer(history.app, name="history", help="The historian.")


def main() -> None:
    """Entry point. Exit 0: done or stopped by the user; 2: wrong settings or something in use; 1: anything else."""
    try:
        app(standalone_mode=True)
    except ConfigurationError as error:
        sys.stderr.write("".join(f"fieldloom: {problem}\n" for problem in error.problems))
        sys.exit(2)
    except InUseError as error:
        sys.stderr.write(f"fieldloom: {error.text}\n")
        sys.exit(2)
    except IntegrationError as error:
        sys.stderr.write(f"fieldloom: {error.text}\n")
        sys.exit(1)
