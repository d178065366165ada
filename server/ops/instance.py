"""One server per data folder: the lock, and the note by which commands find the running server."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from server.core.errors import ConfigurationError, InUseError

LOCK_NAME = "fieldloom.lock"
NOTE_NAME = "server.json"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """How to reach the server of a data folder."""

    pid: int
    opcua_url: str
    http_url: str
    mqtt_url: str
    token: str  # bearer token of the command line, good while the server runs


class DataFolder:
    """The data folder, held by this process."""

    def __init__(self, path: Path) -> None:
        """Create the folder when needed and take its lock.

        Raises:
            InUseError: another process holds it; names the process.
            ConfigurationError: the folder cannot be written.
        """
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError([f"data_dir {path}: {error.strerror}"], what="settings") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._lock, 32, 0).decode("ascii", "ignore").strip() or "unknown"
            os.close(self._lock)
            raise InUseError(
                f"data folder {path} is in use by process {owner}; stop it or choose another with FIELDLOOM_DATA_DIR"
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode("ascii"), 0)

    def announce(self, server: RunningServer) -> None:
        """Write the note; mode 0600, since it carries a token."""
        target = self.path / NOTE_NAME
        draft = target.with_suffix(".tmp")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(server), file)
        draft.replace(target)

    def release(self) -> None:
        """Remove the note and give the lock back."""
        (self.path / NOTE_NAME).unlink(missing_ok=True)
        os.close(self._lock)


def find_running(path: Path) -> RunningServer | None:
    """The server that runs on a data folder, or None."""
    try:
        descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        try:
            return RunningServer(**json.loads((path / NOTE_NAME).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
    finally:
        os.close(descriptor)
    return None
