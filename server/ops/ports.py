"""Who owns a TCP port on this machine, for the message that ends a second start."""

from __future__ import annotations

import socket
from pathlib import Path

from server.core.errors import InUseError

_LISTEN = "0A"


def owner_of(port: int) -> int | None:
    """Process id that listens on a port, when the kernel tells us; None otherwise."""
    inodes = {
        inode
        for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
        if table.exists()
        for inode in _listening(table, port)
    }
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            for descriptor in (process / "fd").iterdir():
                if str(descriptor.readlink()) in wanted:
                    return int(process.name)
        except OSError:
            continue
    return None


def _listening(table: Path, port: int) -> list[str]:
    found = []
    for line in table.read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port:
            found.append(fields[9])
    return found


def require_free(host: str, port: int, what: str, setting: str) -> None:
    """Pass when nobody listens on the port.

    Raises:
        InUseError: somebody does; names the process when known.
    """
    if port == 0:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            owner = owner_of(port)
            who = f"process {owner} uses it" if owner is not None else error.strerror or str(error)
            raise InUseError(
                f"{what}: port {port} on {host} is not free ({who}); choose another with {setting}"
            ) from None
