"""A real PostgreSQL server for one test: own cluster in its own folder, loopback, stopped by its pid."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import psutil

from tests.kit.parts import require

_FOLDERS = [*sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True), "/usr/local/bin"]
_FAST = {
    "fsync": "off",  # the machine does not lose power during a test
    "full_page_writes": "off",
    "max_connections": "20",
    "shared_buffers": "32MB",
    "listen_addresses": "127.0.0.1",
    "logging_collector": "off",
}


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """One cluster. `start` and `stop` may alternate; the data stays."""

    def __init__(self, folder: Path) -> None:
        """Make a cluster below `folder` (run as root: in a temporary folder of its own); skips without PostgreSQL."""
        self._bin = Path(require("initdb", _FOLDERS)).resolve().parent
        self._account: dict[str, str | int] = {}
        if os.getuid() == 0:
            # The server refuses to run as root: it gets the account of the system's package. pytest keeps its own
            # folders closed to other accounts, and closes them again whenever another run starts.
            owner = pwd.getpwnam("postgres")
            self._account = {"user": owner.pw_uid, "group": owner.pw_gid}
            self._home = Path(tempfile.mkdtemp(prefix="fieldloom-postgres-"))
            os.chown(self._home, owner.pw_uid, owner.pw_gid)
        else:
            self._home = folder / "postgres"
            self._home.mkdir()
        self.port = free_port()
        self.pid = 0
        self._databases = 0
        self._data = self._home / "data"
        self._run("initdb", "-D", self._data, "-U", "fieldloom", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        settings = {**_FAST, "port": str(self.port), "unix_socket_directories": str(self._home)}
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self.start()

    @property
    def url(self) -> str:
        """SQLAlchemy URL of its default database."""
        return f"postgresql+psycopg://fieldloom@127.0.0.1:{self.port}/postgres"

    def new_database(self) -> str:
        """SQLAlchemy URL of a fresh, empty database."""
        self._databases += 1
        name = f"test_{self._databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "fieldloom", name)
        return f"postgresql+psycopg://fieldloom@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str | Path) -> None:
        with (self._home / f"{program}.log").open("ab") as log:
            done = subprocess.run(
                [self._bin / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._home,
                env={"PATH": os.environ["PATH"], "LANG": "C", "HOME": str(self._home)},
                timeout=60,
                check=False,
                extra_groups=[] if self._account else None,
                **self._account,  # type: ignore[arg-type]
            )
        if done.returncode:
            raise RuntimeError((self._home / f"{program}.log").read_text(encoding="utf-8", errors="replace")[-2000:])

    def start(self) -> None:
        """Start and wait until it takes connections."""
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "30", "-l", self._home / "server.log", "start")
        self.pid = int((self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])

    def stop(self) -> None:
        """Stop at once, ending its connections; no error when it is stopped."""
        if self.pid and psutil.pid_exists(self.pid):
            self._run("pg_ctl", "-D", self._data, "-w", "-t", "30", "-m", "immediate", "stop")
        self.pid = 0

    def kill(self) -> None:
        """End it and its children without a word, as a crash does."""
        if not self.pid:
            return
        main = psutil.Process(self.pid)
        family = [main, *main.children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=10)
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self.pid = 0

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)
