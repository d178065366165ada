"""Views for tools that read SQL (Grafana), in PostgreSQL. In SQLite hours are packed: rows alone would lie."""

from alembic import op

revision = "h0004"
down_revision = "h0003"

_QUALITY = "CASE WHEN status < 1073741824 THEN 'Good' WHEN status < 2147483648 THEN 'Uncertain' ELSE 'Bad' END"
_FIGURES = (
    "SELECT c.ts AS time, s.device_id AS device, s.parameter, c.total / c.good AS average, c.low AS minimum, "
    "c.high AS maximum, c.good AS count FROM {cells} c JOIN history_series s USING (series_id) WHERE c.good > 0"
)
_VIEWS = {
    "grafana_values": (
        "SELECT p.ts AS time, s.device_id AS device, s.parameter, p.number AS value, p.text, p.status, "  # noqa: S608
        f"{_QUALITY} AS quality FROM history_points p JOIN history_series s USING (series_id)"
    ),
    "grafana_minutes": _FIGURES.format(cells="history_minutes"),
    "grafana_hours": _FIGURES.format(cells="history_hours"),
}


def upgrade() -> None:
    """Create the views."""
    if op.get_bind().dialect.name == "postgresql":
        for name, query in _VIEWS.items():
            op.execute(f"CREATE VIEW {name} AS {query}")


def downgrade() -> None:
    """Drop them."""
    if op.get_bind().dialect.name == "postgresql":
        for name in _VIEWS:
            op.execute(f"DROP VIEW {name}")
