"""The long drill of the historian: `python -m tests.bench.drill_history_kill --kills 200 [--store postgres]`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from tests.kit.history_drill import Drill
from tests.kit.postgres import PostgresServer


def main() -> None:
    """Run it and say what was seen; the first difference ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="history-drill") as name:
        folder = Path(name)
        server = PostgresServer(folder) if options.store == "postgres" else None
        try:
            url = (
                make_url(server.new_database()) if server else URL.create("sqlite", database=str(folder / "history.db"))
            )
            print(asyncio.run(Drill(folder, url, options.seed).run(options.kills)))
        finally:
            if server is not None:
                server.remove()


if __name__ == "__main__":
    main()
