"""What a file in `stores/` declares as `STORE`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.engine import URL

from server.history.store import HistoryStore


@dataclass(frozen=True, slots=True)
class StoreKind:
    """One history backend."""

    scheme: str  # backend name in the SQLAlchemy URL
    open: Callable[[URL], HistoryStore]  # raises ConfigurationError; a database that is away is no error
