"""How a command reaches the server of its data folder, and the folder itself when none runs."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

from server.core.clock import SystemClock
from server.core.errors import InUseError, RemoteError
from server.fdi.archive import ContainerLimits
from server.fdi.store import PackageStore
from server.fdi.trust import policy_of
from server.ops.instance import DataFolder, RunningServer, find_running
from server.settings import Settings

TIMEOUT_S = 60.0


def running(settings: Settings) -> RunningServer | None:
    """The server that runs on this data folder."""
    return find_running(settings.data_dir)


class Remote:
    """A running server's HTTP door, opened with the token from its data folder."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
        parts = urlsplit(self._server.http_url)
        connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._server.token}", "Content-Type": kind}
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        except OSError as error:
            raise RemoteError(f"the server at {self._server.http_url} does not answer: {error}") from None
        finally:
            connection.close()
        found = json.loads(content) if content else None
        if answer.status >= 400:
            told = found.get("detail") or found.get("title") if isinstance(found, dict) else ""
            raise RemoteError(str(told) or f"the server answered {answer.status}")
        return found

    def upload(self, data: bytes) -> list[dict[str, Any]]:
        """Install a package."""
        found = self._ask("POST", "/api/packages", data, "application/octet-stream")
        return found if isinstance(found, list) else [found]

    def packages(self) -> list[dict[str, Any]]:
        """What is installed."""
        return list(self._ask("GET", "/api/packages"))

    def rollback(self, package: str, version: str | None) -> dict[str, Any]:
        """Put another version in use."""
        query = f"?version={quote(version)}" if version else ""
        return dict(self._ask("POST", f"/api/packages/{quote(package)}/rollback{query}"))

    def assign(self, device: str, type_id: str) -> dict[str, Any]:
        """Choose the type of a device."""
        body = json.dumps({"type_id": type_id}).encode()
        return dict(self._ask("PUT", f"/api/devices/{quote(device, safe='')}/type", body))

    def release(self, device: str) -> None:
        """Let a device be again what it says itself."""
        self._ask("DELETE", f"/api/devices/{quote(device, safe='')}/type")

    def remove(self, package: str, version: str | None) -> None:
        """Remove a package or one version of it."""
        query = f"?version={quote(version)}" if version else ""
        self._ask("DELETE", f"/api/packages/{quote(package)}{query}")


@contextmanager
def local_store(settings: Settings, limits: ContainerLimits) -> Iterator[PackageStore]:
    """The package store of a data folder that no server uses; held while in use.

    Raises:
        InUseError: a server runs there but cannot be reached.
    """
    try:
        folder = DataFolder(settings.data_dir)
    except InUseError as error:
        raise InUseError(f"{error.text} (it is starting or does not answer)") from None
    try:
        store = PackageStore(settings.data_dir / "packages", limits, policy_of(settings, SystemClock()))
        store.load()
        store.load_builtin(settings.packages_dir)
        yield store
    finally:
        folder.release()
