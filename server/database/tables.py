"""The tables of the site database as SQLAlchemy Core sees them. Times are integer microseconds UTC.

The scripts in `migrations/site` make them; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

SITE = MetaData()

FACTS = Table("facts", SITE, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

NAMESPACES = Table(
    "namespaces",
    SITE,
    Column("position", Integer, primary_key=True, autoincrement=False),  # index in the NamespaceArray, from 2
    Column("uri", Text, nullable=False, unique=True),
)

DEVICES = Table(
    "devices",
    SITE,
    Column("device_id", Text, primary_key=True),
    Column("type_id", Text, nullable=False),
    Column("path", Text, nullable=False),  # JSON list
    Column("created_at", BigInteger, nullable=False),
    Column("attributes", Text, nullable=False),  # JSON object
)

ACCOUNTS = Table(
    "accounts",
    SITE,
    Column("user", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

ALARMS = Table(
    "alarms",
    SITE,
    Column("condition_id", Text, primary_key=True),
    Column("branch_id", Text, primary_key=True),  # "": the current state
    Column("device_id", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("retain", Boolean, nullable=False),
    Column("body", Text, nullable=False),  # the whole event, JSON
)

ALARM_JOURNAL = Table(
    "alarm_journal",
    SITE,
    Column("entry", Integer, primary_key=True),
    Column("event_id", LargeBinary, nullable=False),
    Column("condition_id", Text, nullable=False),  # "": an event that was entered from outside
    Column("device_id", Text, nullable=False),  # of an entered one, the notifier it was entered at
    Column("time", BigInteger, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Index("alarm_journal_time", "time"),
    Index("alarm_journal_condition", "condition_id", "time"),
    Index("alarm_journal_event_id", "event_id"),
)

ALARM_RULES = Table(
    "alarm_rules",
    SITE,
    Column("rule_id", Text, primary_key=True),
    Column("body", Text, nullable=False),  # JSON, as the editor sent it
    Column("changed_at", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
)

OUTBOX = Table(
    "outbox",
    SITE,
    Column("entry", Integer, primary_key=True),
    Column("message_id", Text, nullable=False, unique=True),  # "<channel>:<hex EventId>": told once to each channel
    Column("channel", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),  # next try
    Column("tries", Integer, nullable=False),
    Column("state", Text, nullable=False),  # waiting, sent, given up
    Column("error", Text, nullable=False),
    Index("outbox_due", "state", "due_at"),
)

AUDIT = Table(
    "audit",
    SITE,
    Column("entry", Integer, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("user", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("door", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

DEVICE_VALUES = Table(
    "device_values",
    SITE,
    Column("device_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),  # which set: offline, local
    Column("name", Text, primary_key=True),  # EDD identifier
    Column("value", Text, nullable=False),  # JSON with its type
)

ASSIGNED_TYPES = Table(
    "assigned_types",
    SITE,
    Column("device_id", Text, primary_key=True),
    Column("type_id", Text, nullable=False),
)
