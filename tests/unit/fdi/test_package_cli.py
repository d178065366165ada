"""`fieldloom package install, list, rollback, remove` on the data folder of a server that does not run."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli.package import app
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
    identifier = lines[0].split()[0]
    assert (code, [line.split() for line in lines]) == (
        0,
        [[identifier, "1.0.0", "Unsigned", "test_thing"], ["*", identifier, "1.1.0", "Unsigned", "test_thing"]],
    )
    assert run("rollback", identifier) == (0, [f"{identifier} 1.0.0 is in use from the next start on"])
    assert [line.split()[0] for line in run("list")[1]] == ["*", identifier]
    assert run("rollback", identifier, "--to", "1.1.0")[0] == 0
    assert run("remove", identifier, "--version", "1.1.0") == (0, [f"removed {identifier} 1.1.0"])
    store = PackageStore(site / "data" / "packages")
    store.load()
    assert [entry.version for entry in store.current()] == ["1.0.0"]


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
