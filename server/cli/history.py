"""`fieldloom history`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from server.cli.serve import SettingsFile
from server.core.clock import SystemClock, TimeUs, from_iso
from server.core.errors import ConfigurationError
from server.history import transfer
from server.history.seed import DEMO_ASSETS, seed
from server.history.stores import open_store
from server.settings import load

app = typer.Typer(no_args_is_help=True)


Moment = Annotated[str, typer.Option(help="ISO 8601 with a zone, such as 2026-01-05T00:00:00Z.")]
COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def _moment(text: str, name: str) -> TimeUs | None:
    try:
        return from_iso(text) if text else None
    except ValueError:
        raise ConfigurationError([f"{name}: write a time as 2026-01-05T00:00:00Z"], what="command") from None


@app.command("export")
def export_(
    file: Annotated[Path, typer.Argument(help="To be made: gzipped JSON lines, such as history.jsonl.gz.")],
    device: Annotated[list[str] | None, typer.Option(help="Only of this device; may be given often.")] = None,
    parameter: Annotated[list[str] | None, typer.Option(help="Only of this parameter; may be given often.")] = None,
    start: Moment = "",
    end: Moment = "",
    settings: SettingsFile = None,
) -> None:
    """Write values, modified values and annotations into a file that `import` reads, on any store."""
    configured = load(settings)
    low, high = _moment(start, "--start"), _moment(end, "--end")
    store = open_store(configured.history, configured.data_dir)
    try:
        with Progress(*COLUMNS) as progress:
            task = progress.add_task("values", total=None)
            done = transfer.export(
                store,
                file,
                devices=device or (),
                parameters=parameter or (),
                start=low,
                end=high,
                progress=lambda counts: progress.update(task, completed=counts.values),
            )
    except OSError as error:
        raise ConfigurationError([f"{file}: {error.strerror or error}"], what="file") from None
    finally:
        store.close()
    typer.echo(
        f"{done.series} series, {done.values} values, {done.modified} modified values, {done.annotations} annotations"
    )


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Made by `fieldloom history export`.")], settings: SettingsFile = None
) -> None:
    """Store what a file holds and the store has not; may be interrupted and run again."""
    configured = load(settings)
    configured.data_dir.mkdir(parents=True, exist_ok=True)
    store = open_store(configured.history, configured.data_dir)
    try:
        with Progress(*COLUMNS) as progress:
            task = progress.add_task("values", total=None)
            done = transfer.import_(store, file, progress=lambda counts: progress.update(task, completed=counts.values))
    except OSError as error:
        raise ConfigurationError([f"{file}: {error.strerror or error}"], what="file") from None
    finally:
        store.close()
    total = done.values + done.modified + done.annotations
    typer.echo(f"{done.series} series, {total} entries: {done.new} new, {total - done.new} were there")


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
    try:
        with Progress(*COLUMNS) as progress:
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
