"""The site database keeps what a restart needs: namespace order, devices, accounts, alarms, audit."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import downgrade
from alembic.migration import MigrationContext

from server.core import status
from server.core.errors import ConfigurationError, IntegrationError
from server.core.values import AlarmEvent, DeviceId, EnteredEvent
from server.database import tables
from server.database.alarm_rows import to_text
from server.database.device_values import DeviceValueRow
from server.database.migration import NEWEST, _config, newest
from server.database.site import AccountRow, AuditRow, DeviceRow, SiteDatabase
from server.database.sqlite import engine


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.db"


@pytest.fixture
def site(path: Path) -> Iterator[SiteDatabase]:
    database = SiteDatabase(path)
    yield database
    database.close()


def alarm(**changes: object) -> AlarmEvent:
    event = AlarmEvent(
        condition_id="gpu-2/Alarms/temp_exhaust",
        device_id=DeviceId("gpu-2"),
        name="temp_exhaust",
        kind="exclusive_limit",
        event_id=bytes(range(16)),
        time=1_000_000,
        receive_time=1_000_500,
        message="temp_exhaust above 500",
        severity=500,
        active=True,
        acked=False,
        retain=True,
        limit_state="High",
        value=505.5,
        limits={"High": 500.0, "HighHigh": 520.0},
    )
    return replace(event, **changes)  # type: ignore[arg-type]


def test_namespace_indexes_survive_a_restart_and_only_grow(site: SiteDatabase, path: Path) -> None:
    # Clients store NodeIds with indexes (design: append-only order).
    assert site.add_namespace("urn:b") == 2
    assert site.add_namespace("urn:a") == 3
    assert site.add_namespace("urn:b") == 2
    assert site.add_namespace("http://opcfoundation.org/UA/") == 0
    assert site.add_namespace(site.application_uri()) == 1
    before = site.namespaces()
    site.close()
    again = SiteDatabase(path)
    assert again.namespaces() == before == ["http://opcfoundation.org/UA/", before[1], "urn:b", "urn:a"]
    assert before[1].startswith("urn:fieldloom:")
    assert again.add_namespace("urn:c") == 4
    again.close()


def test_two_sites_have_different_application_uris(site: SiteDatabase, tmp_path: Path) -> None:
    other = SiteDatabase(tmp_path / "other.db")
    assert other.application_uri() != site.application_uri()
    other.close()


def test_devices_come_back_as_saved(site: SiteDatabase) -> None:
    row = DeviceRow("breaker-001", "smart_breaker", ("main", "switchgear"), 5, {"serial_number": "№ 1"})
    site.save_device(row)
    site.save_device(DeviceRow("a", "smart_breaker", ("unassigned",), 6))
    site.save_device(replace(row, path=("moved",)))
    assert site.devices() == [replace(row, path=("moved",)), DeviceRow("a", "smart_breaker", ("unassigned",), 6)]
    site.delete_device("a")
    site.delete_device("never seen")
    assert [device.device_id for device in site.devices()] == ["breaker-001"]


def test_accounts_are_replaced_by_name(site: SiteDatabase) -> None:
    site.save_account(AccountRow("op", "operator", "$argon2id$x", False, 1))
    site.save_account(AccountRow("op", "engineer", "$argon2id$y", True, 1))
    assert site.accounts() == [AccountRow("op", "engineer", "$argon2id$y", True, 1)]


@pytest.mark.parametrize(
    "value", [None, True, 1, 2**63 + 1, 1.5, float("inf"), -0.0, "текст", b"\x00\xff"], ids=lambda value: repr(value)
)
def test_an_alarm_comes_back_exactly_with_its_values_type(site: SiteDatabase, value: object) -> None:
    event = alarm(value=value, active_time=3, comment="принято \ud800", quality=status.UNCERTAIN)
    site.save_alarm(event)
    (back,) = site.alarms()
    assert back == event
    assert type(back.value) is type(value)


def test_alarm_state_is_the_last_one_while_the_journal_keeps_all(site: SiteDatabase) -> None:
    first = alarm()
    second = alarm(event_id=bytes(16), time=2_000_000, acked=True, cause="acknowledged")
    other = alarm(condition_id="gpu-1/Alarms/Trip", device_id=DeviceId("gpu-1"), time=1_500_000)
    for event in (first, other, second):
        site.save_alarm(event)
    assert site.alarms() == [other, second]
    assert site.journal(0, 10_000_000, 100) == [first, other, second]
    assert site.journal(1_000_000, 2_000_000, 100) == [first, other]  # end is exclusive
    assert site.journal(None, None, 1) == [first]
    assert site.journal(None, None, 100, first.condition_id) == [first, second]


def test_a_deleted_device_takes_its_alarm_states_along_but_not_the_journal(site: SiteDatabase) -> None:
    site.save_alarm(alarm())
    site.delete_device("gpu-2")
    assert site.alarms() == []
    assert site.journal(None, None, 10) == [alarm()]


def test_audit_lines_come_newest_first(site: SiteDatabase) -> None:
    site.audit(1, "op", "operator", "http", "127.0.0.1", "command", "breaker-001", "done", "trip")
    site.audit(2, "op\udc80", "operator", "opcua", "", "write", "gpu-1", "denied")
    newest, oldest = site.audit_rows(10)
    assert oldest == AuditRow(1, "op", "operator", "http", "127.0.0.1", "command", "breaker-001", "done", "trip")
    assert (newest.user, newest.outcome) == ("op?", "denied")
    assert len(site.audit_rows(1)) == 1


def test_the_migrations_make_exactly_the_declared_tables(site: SiteDatabase, path: Path) -> None:
    other = engine(path)
    with other.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "site_schema"})
        assert compare_metadata(context, tables.SITE) == []
    other.dispose()


def test_a_file_that_is_no_database_is_refused_with_what_to_do(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(ConfigurationError, match=r"site\.db.*restore a backup"):
        SiteDatabase(path)


def test_a_database_of_a_newer_program_is_left_untouched(site: SiteDatabase, path: Path) -> None:
    site.close()
    raw = sqlite3.connect(path)
    raw.execute("UPDATE site_schema SET version_num = 's9999'")
    raw.commit()
    raw.close()
    with pytest.raises(ConfigurationError, match="s9999 is newer"):
        SiteDatabase(path)


def test_a_missing_folder_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="folder"):
        SiteDatabase(tmp_path / "absent" / "site.db")


def test_a_full_disk_is_told_and_earlier_rows_stay(site: SiteDatabase) -> None:
    site.save_alarm(alarm())
    with site._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite's own "disk full"
    with pytest.raises(IntegrationError, match="nothing was stored") as caught:
        for number in range(1000):
            site.save_alarm(alarm(time=number, message="x" * 5000))
    assert caught.value.status == status.BAD_RESOURCE_UNAVAILABLE
    assert alarm() in site.journal(None, None, 1000)


@pytest.mark.parametrize("value", [True, 1, 1.0, float("inf"), "grüß", "", b"\x00\xff", -(2**63)], ids=repr)
def test_a_value_kept_for_a_device_comes_back_with_its_type(site: SiteDatabase, path: Path, value: object) -> None:
    site.save_device_values([DeviceValueRow("breaker-001", "offline", "x", value)])  # type: ignore[arg-type]
    site.close()
    again = SiteDatabase(path)
    (row,) = again.load_device_values()
    again.close()
    assert (row.value, type(row.value)) == (value, type(value))


def test_values_of_a_device_are_replaced_dropped_and_forgotten_one_by_one(site: SiteDatabase) -> None:
    a = DeviceValueRow("a", "offline", "x", 1)
    local = DeviceValueRow("a", "local", "x", 2)
    other = DeviceValueRow("b", "offline", "x", 3)
    site.save_device_values([a, local, other, DeviceValueRow("a", "offline", "y", 4)])
    site.save_device_values([replace(a, value=5), DeviceValueRow("a", "offline", "y", None)])
    assert site.load_device_values() == [local, replace(a, value=5), other]
    site.delete_device_values("a")
    assert site.load_device_values() == [other]
    site.delete_device("b")
    assert site.load_device_values() == []


def test_a_database_of_the_first_version_gains_the_new_tables_and_keeps_its_rows(path: Path) -> None:
    # An update of the program must not cost a site its devices.
    site = SiteDatabase(path)
    site.save_device(DeviceRow("a", "smart_breaker", ("unassigned",), 6))
    standing = alarm(condition_id="a/Alarms/x", device_id=DeviceId("a"))
    site.close()
    with sqlite3.connect(path) as old:
        old.execute("DROP TABLE device_values")
        old.execute("DROP TABLE assigned_types")
        old.execute("DROP TABLE alarm_rules")
        old.execute("DROP TABLE outbox")
        old.execute("DROP TABLE alarms")
        old.execute("DROP INDEX alarm_journal_event_id")
        old.execute(
            "CREATE TABLE alarms (condition_id TEXT PRIMARY KEY, device_id TEXT NOT NULL, time BIGINT NOT NULL,"
            " retain BOOLEAN NOT NULL, body TEXT NOT NULL)"
        )
        old.execute("INSERT INTO alarms VALUES (?, 'a', 7, 1, ?)", ("a/Alarms/x", to_text(standing)))
        old.execute("UPDATE site_schema SET version_num = 's0001'")
    old.close()
    again = SiteDatabase(path)
    assert [row.device_id for row in again.devices()] == ["a"]
    assert again.alarms() == [standing]
    again.save_device_values([DeviceValueRow("a", "local", "x", 1.5)])
    assert again.load_device_values() == [DeviceValueRow("a", "local", "x", 1.5)]
    again.assign_type("a", "other")
    assert again.assigned_types() == {"a": "other"}
    again.close()


def entered(number: int) -> EnteredEvent:
    return EnteredEvent(b"entered-%d" % number, "gpu-2", number, 500, {"Message": bytes([number]), "": b""})


def test_entered_events_stand_in_the_journal_and_are_no_alarms(site: SiteDatabase) -> None:
    site.save_alarm(alarm())
    site.change_events([], [entered(1), entered(2)])
    found = site.event_page(start=None, end=None, limit=10, device_id="gpu-2", after=None, backward=False)
    assert [each.event for each in found] == [entered(1), entered(2), alarm()]
    assert [each.event for each in site.journal_page(limit=10)] == [alarm()]
    ids = [entered(2).event_id, alarm().event_id, b"none"]
    kept = site.find_events(ids)
    assert {name: each.event for name, each in kept.items()} == {ids[0]: entered(2), ids[1]: alarm()}
    site.change_events([each.entry for each in kept.values()], [entered(3)])
    found = site.event_page(start=2, end=None, limit=10, device_id=None, after=None, backward=True)
    assert [each.event for each in found] == [entered(3)]
    assert site.alarms() == [alarm()], "the state of a condition is not its history"


def test_an_earlier_program_gets_the_journal_without_entered_events(site: SiteDatabase, path: Path) -> None:
    site.save_alarm(alarm())
    site.change_events([], [entered(1)])
    site.close()
    with engine(path).begin() as connection:
        downgrade(_config("site", connection), "s0004")
    again = SiteDatabase(path)
    found = again.event_page(start=None, end=None, limit=10, device_id=None, after=None, backward=False)
    assert [each.event for each in found] == [alarm()]
    again.close()


def test_types_chosen_by_hand_are_kept_one_a_device(path: Path) -> None:
    site = SiteDatabase(path)
    for device, kind in (("b", "one"), ("a", "one"), ("a", "two")):
        site.assign_type(device, kind)
    site.close()
    again = SiteDatabase(path)
    assert again.assigned_types() == {"a": "two", "b": "one"}
    again.assign_type("a", None)
    again.assign_type("nobody", None)
    assert again.assigned_types() == {"b": "one"}
    again.close()


@pytest.mark.parametrize("tree", ["history", "site"])
def test_the_schema_taken_for_the_newest_is_the_one_the_scripts_end_at(tree: str) -> None:
    # Alembic is asked only where the two differ: a script added without it would never run.
    assert NEWEST[tree] == newest(tree)


def test_a_known_database_is_opened_without_alembic(path: Path) -> None:
    SiteDatabase(path).close()
    program = (
        "import sys, pathlib; from server.database.site import SiteDatabase; "
        f"SiteDatabase(pathlib.Path({str(path)!r})).close(); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
