"""Accounts with argon2id hashes: one user base for every door."""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from server.core.clock import Clock
from server.core.errors import ConfigurationError, NotFoundError
from server.database.site import AccountRow
from server.security.access import ROLES

ACCOUNTS_FILE = "accounts.json"
MIN_PASSWORD = 8
MAX_PASSWORD = 1_024  # characters; a longer one is never hashed
RESERVED_USERS = frozenset({"anonymous", "fieldloom"})
HASHES_AT_ONCE = 2  # each takes 64 MiB while it runs
ROLE_AGE_S = 2.0  # a lock or another role reaches open sessions within this time
_USER = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class AccountRecords(Protocol):
    """Where accounts are kept; blocks."""

    def accounts(self) -> Sequence[AccountRow]: ...

    def save_account(self, row: AccountRow) -> None: ...


class Accounts:
    """All accounts. Everything here blocks; `verify` for about 50 ms: callers use a thread."""

    def __init__(
        self, records: AccountRecords, data_dir: Path, clock: Clock, *, hasher: PasswordHasher | None = None
    ) -> None:
        self._records = records
        self._file = data_dir / ACCOUNTS_FILE
        self._clock = clock
        self._hasher = hasher or PasswordHasher()
        self._hashing = threading.BoundedSemaphore(HASHES_AT_ONCE)
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))
        self._roles: dict[str, str] = {}
        self._roles_read = float("-inf")

    # -- checks

    def verify(self, user: str, password: str) -> str | None:
        """The role of an unlocked account with this password, else None.

        An unknown user, a locked account and a wrong password all cost one hash: the time tells them not apart.
        """
        row = self._find(user)
        known = row.password_hash if row is not None else self._nobody
        try:
            with self._hashing:
                self._hasher.verify(known, _bytes(password[:MAX_PASSWORD]))
        except (VerificationError, InvalidHashError):
            return None
        if row is None or row.locked or len(password) > MAX_PASSWORD:
            return None
        if self._hasher.check_needs_rehash(row.password_hash):
            self._records.save_account(replace(row, password_hash=self._hash(password)))
        return row.role

    def role_of(self, user: str) -> str | None:
        """The role an account has now, None when it is locked or gone; at most `ROLE_AGE_S` old."""
        now = self._clock.monotonic()
        if now - self._roles_read > ROLE_AGE_S:
            self._roles = {row.user: row.role for row in self._records.accounts() if not row.locked}
            self._roles_read = now
        return self._roles.get(user)

    @property
    def roles_fresh(self) -> bool:
        """True when `role_of` answers from memory."""
        return self._clock.monotonic() - self._roles_read <= ROLE_AGE_S

    # -- changes

    def ensure_demo_accounts(self) -> Path:
        """Make viewer, operator, engineer and admin where missing; their passwords stand in the file returned.

        Random passwords are written once, mode 0600, before the accounts exist: a start cut short can be repeated.
        """
        existing = {row.user for row in self._records.accounts()}
        missing = [role for role in ROLES if role not in existing]
        if not missing:
            return self._file
        passwords = self._read_file()
        added = [role for role in missing if role not in passwords]
        if added:
            passwords |= {role: secrets.token_urlsafe(12) for role in added}
            self._write_file(passwords)
        for role in missing:
            self._save_new(role, role, passwords[role])
        return self._file

    def add(self, user: str, role: str, password: str) -> None:
        """Make an account.

        Raises:
            ConfigurationError: the name, role or password cannot be taken, or the account exists; says which.
        """
        problems = _password_problems(password)
        if not _USER.fullmatch(user) or user in RESERVED_USERS:
            problems.append(f"{user!r} cannot be an account: use letters, digits, '.', '_', '-', '@', 64 at most")
        elif self._find(user) is not None:
            problems.append(f"the account {user} exists already")
        if role not in ROLES:
            problems.append(_unknown_role(role))
        if problems:
            raise ConfigurationError(problems, what="account")
        self._save_new(user, role, password)

    def list(self) -> Sequence[AccountRow]:
        """All accounts by name."""
        return self._records.accounts()

    def set_password(self, user: str, password: str) -> None:
        """Change a password.

        Raises:
            ConfigurationError: the password cannot be taken.
            NotFoundError: no such account.
        """
        row = self._require(user)
        problems = _password_problems(password)
        if problems:
            raise ConfigurationError(problems, what="account")
        self._save(replace(row, password_hash=self._hash(password)))

    def lock(self, user: str, locked: bool = True) -> None:
        """Keep an account out, or let it in again. Raises NotFoundError."""
        self._save(replace(self._require(user), locked=locked))

    def set_role(self, user: str, role: str) -> None:
        """Give an account another role.

        Raises:
            ConfigurationError: no such role.
            NotFoundError: no such account.
        """
        if role not in ROLES:
            raise ConfigurationError([_unknown_role(role)], what="account")
        self._save(replace(self._require(user), role=role))

    # -- inside

    def _find(self, user: str) -> AccountRow | None:
        return next((row for row in self._records.accounts() if row.user == user), None)

    def _require(self, user: str) -> AccountRow:
        row = self._find(user)
        if row is None:
            raise NotFoundError(f"no account {user!r}")
        return row

    def _hash(self, password: str) -> str:
        with self._hashing:
            return self._hasher.hash(_bytes(password))

    def _save_new(self, user: str, role: str, password: str) -> None:
        self._save(AccountRow(user, role, self._hash(password), False, self._clock.now()))

    def _save(self, row: AccountRow) -> None:
        self._records.save_account(row)
        self._roles_read = float("-inf")

    def _read_file(self) -> dict[str, str]:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                [f"{self._file}: {error}: remove the file to get new passwords"], what="accounts"
            ) from None
        if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
            raise ConfigurationError([f"{self._file}: must be an object of user and password"], what="accounts")
        return content

    def _write_file(self, passwords: dict[str, str]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(passwords, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._file)


def _bytes(password: str) -> bytes:
    # A lone surrogate, which JSON can carry, is a wrong password like any other.
    return password.encode("utf-8", "surrogatepass")


def _password_problems(password: str) -> list[str]:
    if len(password) < MIN_PASSWORD:
        return [f"a password needs at least {MIN_PASSWORD} characters"]
    if len(password) > MAX_PASSWORD:
        return [f"a password has at most {MAX_PASSWORD} characters"]
    return []


def _unknown_role(role: str) -> str:
    return f"no role {role!r}; use one of {', '.join(ROLES)}"
