"""Picks the history backend by the URL in the settings."""

from __future__ import annotations

import importlib
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from server.core.errors import ConfigurationError
from server.core.plugins import discover
from server.history.kinds import StoreKind
from server.history.store import HistoryStore
from server.settings import HistorySettings

FILE_NAME = "history.db"


def open_store(settings: HistorySettings, data_dir: Path) -> HistoryStore:
    """The store of `history.url`; the embedded one in the data folder when that is empty.

    A database that is away does not stop the start: values wait in the spool, writes and reads raise RemoteError.

    Raises:
        ConfigurationError: the URL names no known backend, its driver is missing, or a newer program wrote the store.
    """
    if settings.url:
        try:
            url = make_url(settings.url)
        except (ArgumentError, ValueError):
            raise ConfigurationError(
                ["history.url: no SQLAlchemy URL: write postgresql+psycopg://user:password@host/database"],
                what="history",
            ) from None
    else:
        url = URL.create("sqlite", database=str(data_dir / FILE_NAME))
    found = discover(importlib.import_module("server.history.stores"), "STORE")
    kinds = {kind.scheme: kind for kind in found.values() if isinstance(kind, StoreKind)}
    kind = kinds.get(url.get_backend_name())
    if kind is None:
        raise ConfigurationError(
            [f"history.url: no history in {url.get_backend_name()}; known are {', '.join(sorted(kinds))}"],
            what="history",
        )
    return kind.open(url)
