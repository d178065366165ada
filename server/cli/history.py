"""`fieldloom history`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from server.cli.serve import SettingsFile
from server.core.clock import SystemClock
from server.history.seed import DEMO_ASSETS, seed
from server.history.stores import open_store
from server.settings import load

app = typer.Typer(no_args_is_help=True)


@app.command("seed")
def seed_(
    hours: Annotated[float, typer.Option(help="So many hours up to now.", min=0.1, max=24 * 366)] = 48.0,
    period: Annotated[float, typer.Option(help="Seconds between two readings.", min=1.0)] = 30.0,
    settings: SettingsFile = None,
) -> None:
    """Write realistic readings of the 16 plant assets through the bulk path."""
    configured = load(settings)
    configured.data_dir.mkdir(parents=True, exist_ok=True)
    store = open_store(configured.history, configured.data_dir)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns) as progress:
            task = progress.add_task("readings", total=None)
            new = seed(
                store,
                DEMO_ASSETS,
                hours=hours,
                period_s=period,
                end=SystemClock().now(),
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
    finally:
        store.close()
    typer.echo(f"{new} readings written")
