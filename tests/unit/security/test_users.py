"""Accounts: what may be made, who gets in, and what a first start leaves behind."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from server.core.clock import ManualClock
from server.core.errors import ConfigurationError, NotFoundError
from server.database.site import AccountRow
from server.security.users import Accounts

FAST = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


class Rows:
    """Account rows in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, AccountRow] = {}

    def accounts(self) -> list[AccountRow]:
        return [self.rows[user] for user in sorted(self.rows)]

    def save_account(self, row: AccountRow) -> None:
        self.rows[row.user] = row


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def accounts(rows: Rows, tmp_path: Path, clock: ManualClock) -> Accounts:
    return Accounts(rows, tmp_path, clock, hasher=FAST)


def test_the_right_password_gives_the_role_and_anything_else_gives_nothing(accounts: Accounts) -> None:
    accounts.add("anna", "operator", "correct horse")
    assert accounts.verify("anna", "correct horse") == "operator"
    assert accounts.verify("anna", "Correct horse") is None
    assert accounts.verify("anna", "") is None
    assert accounts.verify("Anna", "correct horse") is None
    assert accounts.verify("nobody", "correct horse") is None
    assert accounts.verify("anna", "correct horse" + "x" * 1_000_000) is None
    assert accounts.verify("anna", "\ud800") is None


def test_an_unknown_name_and_a_locked_account_cost_a_hash_like_any_other(accounts: Accounts, rows: Rows) -> None:
    checked: list[str | bytes] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002
            checked.append(hash)
            return super().verify(hash, password)

    accounts.add("anna", "operator", "correct horse")
    accounts.lock("anna", True)
    counted = Accounts(rows, Path(), ManualClock(), hasher=Counting(time_cost=1, memory_cost=64, parallelism=1))
    assert counted.verify("anna", "correct horse") is None
    assert counted.verify("nobody", "correct horse") is None
    assert len(checked) == 2


def test_hashes_are_argon2id_and_differ_for_the_same_password(rows: Rows, tmp_path: Path, clock: ManualClock) -> None:
    accounts = Accounts(rows, tmp_path, clock)
    accounts.add("a", "viewer", "the same one")
    accounts.add("b", "viewer", "the same one")
    first, second = (rows.rows[user].password_hash for user in "ab")
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != second
    assert accounts.verify("a", "the same one") == "viewer"


def test_lock_role_and_password_take_effect_at_the_next_sign_in(accounts: Accounts) -> None:
    accounts.add("anna", "operator", "correct horse")
    accounts.lock("anna", True)
    assert accounts.verify("anna", "correct horse") is None
    assert accounts.role_of("anna") is None
    accounts.lock("anna", False)
    accounts.set_role("anna", "engineer")
    assert accounts.verify("anna", "correct horse") == "engineer"
    accounts.set_password("anna", "battery staple")
    assert accounts.verify("anna", "correct horse") is None
    assert accounts.verify("anna", "battery staple") == "engineer"


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "a/b", "anna\n", "fieldloom", "anonymous", "<b>"])
def test_a_bad_name_makes_no_account(accounts: Accounts, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be an account"):
        accounts.add(name, "viewer", "long enough")
    assert accounts.list() == []


def test_refusals_say_what_is_wrong(accounts: Accounts) -> None:
    with pytest.raises(ConfigurationError, match="no role 'boss'; use one of viewer, operator, engineer, admin"):
        accounts.add("anna", "boss", "long enough")
    with pytest.raises(ConfigurationError, match="at least 8 characters"):
        accounts.add("anna", "viewer", "short")
    accounts.add("anna", "viewer", "long enough")
    with pytest.raises(ConfigurationError, match="exists"):
        accounts.add("anna", "viewer", "long enough")
    with pytest.raises(NotFoundError, match="no account 'otto'"):
        accounts.set_password("otto", "long enough")
    with pytest.raises(NotFoundError):
        accounts.lock("otto", True)
    with pytest.raises(ConfigurationError, match="no role"):
        accounts.set_role("anna", "")


def test_the_first_start_makes_one_account_a_role_and_tells_only_the_owner(accounts: Accounts) -> None:
    path = accounts.ensure_demo_accounts()
    passwords = json.loads(path.read_text())
    assert sorted(passwords) == ["admin", "engineer", "operator", "viewer"]
    assert len(set(passwords.values())) == 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for user, password in passwords.items():
        assert accounts.verify(user, password) == user


def test_a_second_start_changes_nothing_even_when_the_file_was_removed(accounts: Accounts, rows: Rows) -> None:
    path = accounts.ensure_demo_accounts()
    before, told = dict(rows.rows), path.read_text()
    assert accounts.ensure_demo_accounts() == path
    assert (rows.rows, path.read_text()) == (before, told)
    path.unlink()
    accounts.ensure_demo_accounts()
    assert rows.rows == before
    assert not path.exists()


def test_a_first_start_cut_short_is_completed_with_the_same_passwords(accounts: Accounts, rows: Rows) -> None:
    passwords = json.loads(accounts.ensure_demo_accounts().read_text())
    del rows.rows["engineer"]
    accounts.ensure_demo_accounts()
    assert accounts.verify("engineer", passwords["engineer"]) == "engineer"


def test_a_damaged_accounts_file_is_named(accounts: Accounts, tmp_path: Path) -> None:
    (tmp_path / "accounts.json").write_text("[1, 2")
    with pytest.raises(ConfigurationError, match=r"accounts\.json.*remove the file"):
        accounts.ensure_demo_accounts()


def test_a_lock_reaches_open_sign_ins_within_seconds(accounts: Accounts, rows: Rows, clock: ManualClock) -> None:
    accounts.add("anna", "operator", "correct horse")
    assert accounts.role_of("anna") == "operator"
    other_process = Accounts(rows, Path(), clock, hasher=FAST)
    other_process.lock("anna", True)
    assert accounts.role_of("anna") == "operator"
    clock.advance(2.1)
    assert accounts.role_of("anna") is None


def test_hashes_of_an_older_strength_are_renewed_at_sign_in(rows: Rows, tmp_path: Path, clock: ManualClock) -> None:
    Accounts(rows, tmp_path, clock, hasher=FAST).add("anna", "operator", "correct horse")
    stronger = Accounts(rows, tmp_path, clock, hasher=PasswordHasher(time_cost=2, memory_cost=64, parallelism=1))
    assert stronger.verify("anna", "correct horse") == "operator"
    assert "t=2" in rows.rows["anna"].password_hash
    assert stronger.verify("anna", "correct horse") == "operator"
