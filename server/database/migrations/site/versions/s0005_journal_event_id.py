"""The journal by EventId: events are changed and deleted by it. Entered events have no condition."""

from alembic import op

revision = "s0005"
down_revision = "s0004"


def upgrade() -> None:
    """Make the index."""
    op.create_index("alarm_journal_event_id", "alarm_journal", ["event_id"])


def downgrade() -> None:
    """Drop it, and the events that an earlier program cannot read."""
    op.drop_index("alarm_journal_event_id", "alarm_journal")
    op.execute("DELETE FROM alarm_journal WHERE condition_id = ''")
