"""The start page."""

from __future__ import annotations

from nicegui import ui

from server.console.context import ConsoleContext


def register(context: ConsoleContext) -> None:
    """Serve it at `/`."""

    async def overview() -> None:
        ui.label(f"{len(context.plant.devices)} devices")

    ui.page("/")(overview)
