"""What the doors to packages do to store, types and bridge: all of it, or nothing; and who did it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from server.core.binding import DeviceBinding
from server.core.clock import ManualClock
from server.core.errors import ConfigurationError, DeniedError, NotFoundError, RemoteError
from server.core.values import Caller
from server.fdi.errors import PackageError
from server.fdi.service import PackageService
from server.fdi.store import PackageStore
from server.fdi.trust import TrustPolicy
from server.model.device_type import DeviceType
from tests.kit.attacks import with_plug_in
from tests.kit.packages import EDD, make_package

ENGINEER = Caller("emma", "engineer", "http")
TOPIC = "others/{device}/telemetry"


class Rig:
    """The service with everything around it in memory but the store."""

    def __init__(self, folder: Path, clock: ManualClock, trust: TrustPolicy | None = None) -> None:
        self.store = PackageStore(folder, trust=trust)
        self.store.load()
        self.done: list[str] = []
        self.types: dict[str, DeviceType] = {}
        self.bindings: list[str] = []
        self.others: list[str] = []
        self.audits: list[tuple[str, str, str]] = []
        self.fail: tuple[str, BaseException] | None = None
        self.service = PackageService(
            self.store, self, bindings_changed=self.bind, audit=self.audit, clock=clock, show_others=self.beside
        )

    def _step(self, name: str) -> None:
        if self.fail is not None and self.fail[0] == name:
            error, self.fail = self.fail[1], None
            raise error
        self.done.append(name)

    async def install(self, device_type: DeviceType) -> None:
        self._step(f"install {device_type.type_id} {device_type.version}")
        self.types[device_type.type_id] = device_type

    async def uninstall(self, type_id: str) -> None:
        self._step(f"uninstall {type_id}")
        del self.types[type_id]

    def bind(self, bindings: Iterable[DeviceBinding]) -> None:
        self._step("bind")
        self.bindings = [binding.type_id for binding in bindings]

    async def beside(self, others: Sequence[DeviceType]) -> None:
        self._step("beside")
        self.others = [f"{kind.type_id} {kind.version}" for kind in others]

    def audit(self, _time: int, user: str, _role: str, _door: str, _address: str, *record: str) -> None:
        action, _target, outcome, _detail = record
        self.audits.append((user, action, outcome))

    def in_force(self) -> dict[str, str]:
        return {name: kind.version for name, kind in self.types.items()}


@pytest.fixture
async def rig(tmp_path: Path, clock: ManualClock) -> Rig:
    rig = Rig(tmp_path / "packages", clock)
    await rig.service.start()
    rig.done.clear()
    return rig


def identifier(rig: Rig, type_id: str = "test_thing") -> str:
    return next(entry.package_id for entry in rig.store.list() if entry.device_types[0].type_id == type_id)


async def test_only_what_changes_is_touched(rig: Rig) -> None:
    await rig.service.install(make_package("other", topic=TOPIC), ENGINEER)
    await rig.service.install(make_package(), ENGINEER)
    rig.done.clear()
    await rig.service.install(make_package(version="1.1.0"), ENGINEER)
    assert rig.done == ["install test_thing 1.1.0", "bind", "beside"]
    assert rig.in_force() == {"other": "1.0.0", "test_thing": "1.1.0"}
    assert rig.others == ["test_thing 1.0.0"]


async def test_a_lower_version_is_installed_beside_the_one_in_use(rig: Rig) -> None:
    await rig.service.install(make_package(version="2.0.0"), ENGINEER)
    rig.done.clear()
    (row,) = await rig.service.install(make_package(version="1.0.0"), ENGINEER)
    assert (row["version"], row["current"]) == ("1.0.0", False)
    assert rig.done == ["bind", "beside"]
    assert rig.others == ["test_thing 1.0.0"]


async def test_roll_back_and_removal_put_the_next_lower_version_in_force(rig: Rig) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        await rig.service.install(make_package(version=version), ENGINEER)
    row = await rig.service.rollback(identifier(rig), None, ENGINEER)
    assert (row["version"], row["current"], rig.in_force()) == ("1.1.0", True, {"test_thing": "1.1.0"})
    await rig.service.remove(identifier(rig), "1.1.0", ENGINEER)
    assert rig.in_force() == {"test_thing": "1.0.0"}
    await rig.service.rollback(identifier(rig), "1.2.0", ENGINEER)
    assert rig.in_force() == {"test_thing": "1.2.0"}
    await rig.service.remove(identifier(rig), None, ENGINEER)
    assert (rig.in_force(), rig.bindings, rig.store.list()) == ({}, [], ())
    assert [action for _, action, _ in rig.audits if action != "package install"] == [
        "package rollback",
        "package remove",
        "package rollback",
        "package remove",
        "package remove",
    ]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("install test_thing 1.1.0", RemoteError("cannot be shown")),
        ("install test_thing 1.1.0", RuntimeError("a bug")),
        ("bind", ConfigurationError(["no codec 'x'"], what="bindings")),
        ("beside", RuntimeError("a bug")),
    ],
)
async def test_a_failing_update_leaves_the_old_version_in_force_and_installed(
    rig: Rig, tmp_path: Path, step: str, error: Exception
) -> None:
    await rig.service.install(make_package(), ENGINEER)
    before = (rig.in_force(), rig.store.list(), rig.store.current())
    rig.fail = (step, error)
    with pytest.raises(type(error)):
        await rig.service.install(make_package(version="1.1.0"), ENGINEER)
    assert (rig.in_force(), rig.store.list(), rig.store.current()) == before
    assert rig.bindings == ["test_thing"]
    assert rig.types["test_thing"] is rig.store.device_types()[0]
    again = PackageStore(tmp_path / "packages")
    assert again.load() == ()
    assert [entry.version for entry in again.list()] == ["1.0.0"]
    await rig.service.install(make_package(version="1.1.0"), ENGINEER)  # the second attempt is a new one
    assert rig.in_force() == {"test_thing": "1.1.0"}


async def test_a_failing_roll_back_and_removal_change_nothing(rig: Rig, tmp_path: Path) -> None:
    for version in ("1.0.0", "1.1.0"):
        await rig.service.install(make_package(version=version), ENGINEER)
    before = (rig.in_force(), rig.store.list(), rig.store.current())
    for change in (
        lambda: rig.service.rollback(identifier(rig), None, ENGINEER),
        lambda: rig.service.remove(identifier(rig), "1.1.0", ENGINEER),
    ):
        rig.fail = ("install test_thing 1.0.0", RemoteError("cannot be shown"))
        with pytest.raises(RemoteError):
            await change()
        assert (rig.in_force(), rig.store.list(), rig.store.current()) == before
        assert all(entry.path.exists() for entry in rig.store.list())
    again = PackageStore(tmp_path / "packages")
    assert again.load() == ()
    assert [entry.version for entry in again.current()] == ["1.1.0"]


async def test_a_failing_new_package_is_gone_again(rig: Rig) -> None:
    rig.fail = ("bind", ConfigurationError(["no codec"], what="bindings"))
    with pytest.raises(ConfigurationError):
        await rig.service.install(make_package(), ENGINEER)
    assert (rig.in_force(), rig.store.list()) == ({}, ())


async def test_refusals_are_in_the_audit_trail(rig: Rig) -> None:
    viewer = Caller("vera", "viewer", "http")
    await rig.service.install(make_package(), ENGINEER)
    with pytest.raises(DeniedError):
        await rig.service.rollback(identifier(rig), None, viewer)
    with pytest.raises(NotFoundError):
        await rig.service.rollback("no such package", None, ENGINEER)
    with pytest.raises(NotFoundError):
        await rig.service.rollback(identifier(rig), None, ENGINEER)  # nothing below it
    with pytest.raises(PackageError):
        await rig.service.install(make_package(edd=EDD.replace("How full it is.", "x")), ENGINEER)
    assert [(user, action) for user, action, outcome in rig.audits if outcome != "Good"] == [
        ("vera", "package rollback"),
        ("emma", "package rollback"),
        ("emma", "package rollback"),
        ("emma", "package install"),
    ]


async def test_the_log_tells_who_changed_which_package(rig: Rig) -> None:
    # What an operator reads in the log when devices look different since this morning.
    with capture_logs() as logs:
        for version in ("1.0.0", "1.0.0", "1.1.0", "0.9.0"):
            await rig.service.install(make_package(version=version), ENGINEER)
        await rig.service.rollback("test_thing", None, ENGINEER)
        await rig.service.remove("test_thing", "1.1.0", ENGINEER)
        with pytest.raises(NotFoundError):
            await rig.service.remove("test_thing", "7.0.0", ENGINEER)
        await PackageService(rig.store, rig, bindings_changed=rig.bind, audit=rig.audit, clock=ManualClock()).start()
    told = {"user": "emma", "package": identifier(rig), "types": ["test_thing"], "signature": "Unsigned"}
    level = {"log_level": "info"}
    assert logs == [
        {"event": "package_installed", "version": "1.0.0", **told, **level},
        {"event": "package_updated", "version": "1.1.0", **told, **level},
        {"event": "package_installed", "version": "0.9.0", **told, **level},
        {"event": "package_rolled_back", "version": "1.0.0", **told, **level},
        {"event": "package_removed", "version": "1.1.0", **told, **level},
        {"event": "packages", "installed": 2, "unsigned": 2, "untrusted": 0, **level},
    ]


async def test_lists_tell_the_signature_state(tmp_path: Path, clock: ManualClock) -> None:
    strict = Rig(tmp_path / "strict", clock, TrustPolicy(clock=clock))
    with pytest.raises(PackageError) as caught:
        await strict.service.install(make_package(), ENGINEER)
    assert caught.value.rule == "signature.unsigned"
    assert strict.service.list() == []
    open_ = Rig(tmp_path / "open", clock, TrustPolicy(clock=clock, allow_unsigned=True))
    await open_.service.install(make_package(), ENGINEER)
    (row,) = open_.service.list()
    assert (row["signature"]["state"], row["current"], row["builtin"]) == ("Unsigned", True, False)


async def test_what_was_taken_in_stays_when_the_policy_becomes_stricter(tmp_path: Path, clock: ManualClock) -> None:
    # A plant must not lose its devices over a restart because a setting or a certificate's date changed.
    open_ = Rig(tmp_path, clock, TrustPolicy(clock=clock, allow_unsigned=True))
    await open_.service.install(make_package(), ENGINEER)
    strict = Rig(tmp_path, clock, TrustPolicy(clock=clock))
    assert strict.store.refused == ()
    assert [row["signature"]["state"] for row in strict.service.list()] == ["Unsigned"]


async def test_built_in_packages_follow_their_own_policy(tmp_path: Path, clock: ManualClock) -> None:
    built = tmp_path / "built"
    built.mkdir()
    (built / "a.fdix").write_bytes(make_package())
    strict = Rig(tmp_path / "data", clock, TrustPolicy(clock=clock))
    assert [entry.builtin for entry in strict.store.load_builtin(built)[0]] == [True]
    stricter = Rig(tmp_path / "more", clock, TrustPolicy(clock=clock, allow_builtin_unsigned=False))
    assert [entry.error.rule for entry in stricter.store.load_builtin(built)[1]] == ["signature.unsigned"]


async def test_a_type_that_cannot_be_shown_does_not_keep_the_server_from_starting(
    tmp_path: Path, clock: ManualClock
) -> None:
    first = Rig(tmp_path, clock)
    await first.service.install(make_package("other", topic=TOPIC), ENGINEER)
    await first.service.install(make_package(), ENGINEER)
    second = Rig(tmp_path, clock)
    second.fail = ("install other 1.0.0", RemoteError("cannot be shown"))
    await second.service.start()
    assert second.in_force() == {"test_thing": "1.0.0"}
    assert second.bindings == ["test_thing"]


async def test_a_registration_certificate_is_shown_and_not_judged(rig: Rig) -> None:
    (row,) = await rig.service.install(with_plug_in(), ENGINEER)
    (entry,) = row["registration"]
    assert (entry["manufacturer"], entry["authority"]) == ("0x7777", "Test Authority")
    assert entry["data"] == {"en": "Registered", "ru": "Зарегистрировано"}
    assert rig.service.list() == [row]
