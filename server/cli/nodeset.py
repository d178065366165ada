"""`fieldloom nodeset`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.opcua.nodesets import build_all, check_folder, list_folder

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="Folder of NodeSet2 files.")]


@app.command()
def build(
    source: Annotated[Path, typer.Option("--source", help="Folder of the declarative sources.")] = Path("nodesets/src"),
    out: Annotated[Path, typer.Option("--out", help="Folder for the NodeSet2 files.")] = Path("nodesets"),
) -> None:
    """Build the NodeSet2 files from their sources."""
    for path in build_all(source, out):
        typer.echo(str(path))


@app.command()
def check(folder: Folder = Path("nodesets")) -> None:
    """Check that every NodeSet of a folder loads, in the order of what it requires."""
    typer.echo(check_folder(folder))


@app.command("list")
def list_(folder: Folder = Path("nodesets")) -> None:
    """List the NodeSets of a folder in loading order."""
    typer.echo(list_folder(folder))
