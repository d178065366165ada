"""What was replaced, deleted, or came for a time that had a value; annotations."""

import sqlalchemy as sa
from alembic import op

revision = "h0002"
down_revision = "h0001"


def upgrade() -> None:
    """Create both tables."""
    postgres = op.get_bind().dialect.name == "postgresql"
    moment = sa.DateTime(timezone=True) if postgres else sa.BigInteger
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "history_modified",
        sa.Column("entry", number, primary_key=True, autoincrement=True),
        sa.Column("series_id", sa.Integer, nullable=False),
        sa.Column("ts", moment, nullable=False),
        sa.Column("delay_us", sa.BigInteger, nullable=False),
        sa.Column("status", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("number", sa.Double),
        sa.Column("text", sa.Text),
        sa.Column("modified_at", moment, nullable=False),
        sa.Column("how", sa.SmallInteger, nullable=False),
        sa.Column("user", sa.Text, nullable=False),
    )
    op.create_index("history_modified_place", "history_modified", ["series_id", "ts", "entry"])
    op.create_table(
        "history_annotations",
        sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ts", moment, primary_key=True),
        sa.Column("annotated_at", moment, primary_key=True),
        sa.Column("user", sa.Text, primary_key=True),
        sa.Column("message", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("history_annotations")
    op.drop_index("history_modified_place", "history_modified")
    op.drop_table("history_modified")
