"""Brings a database to the newest schema at open, from the Alembic scripts packaged in `migrations/`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, column, inspect, select, table

from server.core.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.config import Config

NEWEST: Final = {"site": "s0005", "history": "h0004"}
"""The revision that this program writes, by tree. Alembic knows it too, but importing it takes longer than all else
that opening a database does, and nearly every start finds nothing to upgrade."""

_FOLDER = Path(__file__).parent / "migrations"
_lock = threading.Lock()  # Alembic's environment is a global of the process


def _config(tree: str, connection: Connection | None) -> Config:
    from alembic.config import Config

    config = Config()
    # ConfigParser would read a percent sign in a path as an interpolation.
    config.set_main_option("script_location", str(_FOLDER / tree).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = f"{tree}_schema"
    return config


def newest(tree: str) -> str:
    """The revision that the scripts end at."""
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory.from_config(_config(tree, None)).get_current_head())


def current(connection: Connection, tree: str) -> str | None:
    """The revision a database is at; None for an empty one."""
    from alembic.migration import MigrationContext

    found = MigrationContext.configure(connection, opts={"version_table": f"{tree}_schema"}).get_current_revision()
    return None if found is None else str(found)


def _is_newest(connection: Connection, tree: str) -> bool:
    name = f"{tree}_schema"
    if not inspect(connection).has_table(name):
        return False
    return list(connection.scalars(select(column("version_num")).select_from(table(name)))) == [NEWEST[tree]]


def migrate(connection: Connection, tree: str, where: str) -> None:
    """Upgrade to the newest schema; does nothing when already there. The caller's transaction commits it.

    Args:
        connection: in a transaction.
        tree: `site` or `history`: which scripts; the version table is `<tree>_schema`.
        where: the database as the operator knows it.

    Raises:
        ConfigurationError: a newer program wrote this database.
    """
    if _is_newest(connection, tree):
        return
    from alembic.command import upgrade
    from alembic.script import ScriptDirectory

    with _lock:
        config = _config(tree, connection)
        scripts = ScriptDirectory.from_config(config)
        known = {script.revision for script in scripts.walk_revisions()}
        revision = current(connection, tree)
        if revision is not None and revision not in known:
            raise ConfigurationError(
                [
                    f"{where}: its schema {revision} is newer than this program knows ({scripts.get_current_head()}): "
                    "start the version of Fieldloom that wrote it, or restore a backup"
                ],
                what="database",
            )
        if revision != scripts.get_current_head():
            upgrade(config, "head")


def run_in_environment() -> None:
    """What each tree's `env.py` does: run the scripts on the connection that `migrate` was given."""
    from alembic import context

    attributes = context.config.attributes
    context.configure(connection=attributes["connection"], version_table=attributes["version_table"])
    # No transaction of Alembic's: the caller's covers all scripts and the version row.
    context.run_migrations()
