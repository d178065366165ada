"""Branches of alarm states, alarm rules, the outbox of notifications."""

import sqlalchemy as sa
from alembic import op

revision = "s0004"
down_revision = "s0003"


def upgrade() -> None:
    """Give alarm states a branch, create the other tables."""
    op.rename_table("alarms", "alarms_before")
    op.create_table(
        "alarms",
        sa.Column("condition_id", sa.Text, primary_key=True),
        sa.Column("branch_id", sa.Text, primary_key=True),
        sa.Column("device_id", sa.Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("retain", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.execute(
        "INSERT INTO alarms (condition_id, branch_id, device_id, time, retain, body) "
        "SELECT condition_id, '', device_id, time, retain, body FROM alarms_before"
    )
    op.drop_table("alarms_before")
    op.create_table(
        "alarm_rules",
        sa.Column("rule_id", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("entry", sa.Integer, primary_key=True),
        sa.Column("message_id", sa.Text, nullable=False, unique=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
    )
    op.create_index("outbox_due", "outbox", ["state", "due_at"])


def downgrade() -> None:
    """Drop what was added; branches are lost."""
    op.drop_table("outbox")
    op.drop_table("alarm_rules")
    op.rename_table("alarms", "alarms_after")
    op.create_table(
        "alarms",
        sa.Column("condition_id", sa.Text, primary_key=True),
        sa.Column("device_id", sa.Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("retain", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.execute(
        "INSERT INTO alarms (condition_id, device_id, time, retain, body) "
        "SELECT condition_id, device_id, time, retain, body FROM alarms_after WHERE branch_id = ''"
    )
    op.drop_table("alarms_after")
