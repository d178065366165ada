"""`fieldloom settings`: all settings with defaults, values in force and what they mean."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from server.cli.serve import SettingsFile
from server.settings import PREFIX, describe, load


def show(settings: SettingsFile = None) -> None:
    """Print every setting: key, environment variable, value in force, default, meaning."""
    configured = load(settings)
    table = Table(show_lines=False)
    for heading in ("key", "environment variable", "in force", "default", "meaning"):
        table.add_column(heading, overflow="fold")
    for key, default, meaning in describe():
        value: object = configured
        for part in key.split("."):
            value = getattr(value, part)
        secret = key in ("mqtt.url", "history.url") and "@" in str(value)
        shown = "(set, holds a password)" if secret else str(value)
        table.add_row(key, PREFIX + key.upper().replace(".", "__"), shown, default, meaning)
    Console().print(table)
