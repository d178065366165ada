"""`fieldloom package install, list, rollback, remove, assign, release` on the data folder of a server that is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli.package import app
from server.cli.package_report import counted, listed
from server.database.site import SiteDatabase
from server.fdi.store import PackageStore
from tests.kit.packages import make_package


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder and the settings that name it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIELDLOOM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FIELDLOOM_PACKAGES_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("FIELDLOOM_PACKAGES__UNSIGNED", "allow")
    for version in ("1.0.0", "1.1.0"):
        (tmp_path / f"{version}.fdix").write_bytes(make_package(version=version))
    return tmp_path


def run(*words: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.output.splitlines()


def test_a_package_is_installed_rolled_back_and_removed(site: Path) -> None:
    for version in ("1.0.0", "1.1.0"):
        assert run("install", str(site / f"{version}.fdix"))[0] == 0
    code, lines = run("list")
    identifier = lines[0].split()[-1]
    assert (code, lines) == (
        0,
        [
            f"  test_thing  Test Works  1.0.0  Unsigned  {identifier}",
            f"* test_thing  Test Works  1.1.0  Unsigned  {identifier}",
        ],
    )
    assert run("rollback", identifier) == (0, [f"{identifier} 1.0.0 is in use from the next start on"])
    assert [line.split()[0] for line in run("list")[1]] == ["*", "test_thing"]
    assert run("rollback", identifier, "--to", "1.1.0")[0] == 0
    assert run("remove", identifier, "--version", "1.1.0") == (0, [f"removed {identifier} 1.1.0"])
    store = PackageStore(site / "data" / "packages")
    store.load()
    assert [entry.version for entry in store.current()] == ["1.0.0"]


def test_a_package_is_named_by_its_device_type_too(site: Path) -> None:
    # Nobody types a UUID who knows what the device is called.
    for version in ("1.0.0", "1.1.0"):
        run("install", str(site / f"{version}.fdix"))
    identifier = run("list")[1][0].split()[-1]
    assert run("rollback", "test_thing") == (0, [f"{identifier} 1.0.0 is in use from the next start on"])
    assert run("remove", "test_other")[0] != 0
    assert run("remove", "test_thing", "--version", "1.0.0") == (0, [f"removed {identifier} 1.0.0"])
    assert run("remove", "test_thing") == (0, [f"removed {identifier} 1.1.0"])
    assert run("list") == (0, [])


def test_a_list_keeps_its_lines_and_columns() -> None:
    rows = [
        {"device_types": [{"type_id": kind} for kind in kinds], "manufacturer": maker, "version": "1.0.0"}
        | {"current": bool(kinds), "signature": {"state": "Valid"}, "package_id": "id"}
        for kinds, maker in ((("a", "b"), "Acme\x1b[2J\nWorks"), ((), ""))
    ]
    assert list(listed(rows)) == [
        "* a, b  Acme [2J Works  1.0.0  Valid  id",
        "  -     -               1.0.0  Valid  id",
    ]
    assert [counted(number, "error") for number in (0, 1, 2)] == ["0 errors", "1 error", "2 errors"]


def test_an_unsigned_package_is_refused_where_the_settings_say_so(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDLOOM_PACKAGES__UNSIGNED", "refuse")
    assert run("install", str(site / "1.0.0.fdix"))[0] != 0
    assert run("list") == (0, [])


def test_a_damaged_package_is_told_in_the_list(site: Path) -> None:
    run("install", str(site / "1.0.0.fdix"))
    (path,) = (site / "data" / "packages" / "objects").iterdir()
    path.write_bytes(b"x")
    code, lines = run("list")
    assert code == 0
    assert any(line.startswith("refused: ") and "store.damaged" in line for line in lines)


def test_the_type_of_a_device_is_chosen_and_released(site: Path) -> None:
    run("install", str(site / "1.0.0.fdix"))
    assert run("assign", "d-1", "test_thing") == (0, ["d-1 is test_thing from the next start on"])
    assert chosen(site) == {"d-1": "test_thing"}
    for device, kind in (("d-1", "nobody"), ("../d", "test_thing"), ("Plant", "test_thing")):
        assert run("assign", device, kind)[0] != 0
    assert run("release", "d-2")[0] != 0
    assert chosen(site) == {"d-1": "test_thing"}
    assert run("release", "d-1") == (0, ["d-1 comes back with its next message"])
    assert chosen(site) == {}


def chosen(site: Path) -> dict[str, str]:
    database = SiteDatabase(site / "data" / "site.db")
    try:
        return database.assigned_types()
    finally:
        database.close()
