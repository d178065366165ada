"""The console's pages on the application; NiceGUI is touched here and in the pages only."""

from __future__ import annotations

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
