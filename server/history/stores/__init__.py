"""History backends, one file each; `STORE` declares it."""

from server.history.stores.opening import open_store

__all__ = ["open_store"]
