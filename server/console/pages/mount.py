"""The console's pages on the application; NiceGUI is touched here and in the pages only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from nicegui import core, ui
from nicegui.storage import Storage

from server.console.context import ConsoleContext
from server.console.pages import overview

RECONNECT_S = 5.0


def is_page_path(path: str) -> bool:
    """True for what the pages and their framework serve."""
    return path in ("/", "/favicon.ico") or path.startswith("/_nicegui")


def mount(app: FastAPI, context: ConsoleContext) -> None:
    """Serve the start page at `/` and what it loads.

    The framework has one state per process: a server started later in the same process takes the pages over.
    """
    Storage.path = context.data_dir / "console"
    core.app.middleware_stack = None
    core.app.user_middleware.clear()
    core.app.config.__init__()
    # A page of another site may not open a socket to ours.
    core.sio.eio.cors_allowed_origins = None
    overview.register(context)
    ui.run_with(
        app,
        title="Fieldloom",
        reconnect_timeout=RECONNECT_S,
        binding_refresh_interval=None,
        show_welcome_message=False,
        tailwind=False,
        message_history_length=100,
    )
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[Any]:
        async with inner(running) as state:
            yield state
        await _stop_sockets()

    app.router.lifespan_context = lifespan


async def _stop_sockets() -> None:
    """End the sockets' own watch task, which the framework leaves to the process's end, and let the next start anew."""
    engine = core.sio.eio
    await engine.shutdown()
    engine.service_task_event = None
    engine.start_service_task = True
