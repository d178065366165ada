"""Alembic's entry; the connection comes from the caller."""

from server.database.migration import run_in_environment

run_in_environment()
