"""Which version of a package is in use: updates, versions side by side, roll back, removal, and all of it kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.core.errors import NotFoundError
from server.fdi import versions
from server.fdi.store import PackageStore
from tests.kit.packages import make_package


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "packages"


def opened(folder: Path) -> PackageStore:
    store = PackageStore(folder)
    assert store.load() == ()
    return store


def in_use(store: PackageStore) -> list[str]:
    return [entry.version for entry in store.current()]


@pytest.mark.parametrize(
    ("current", "installed", "after"),
    [
        ("", "1.0.0", "1.0.0"),
        ("1.0.0", "1.0.1", "1.0.1"),
        ("1.9.0", "1.10.0", "1.10.0"),  # numbers, not text
        ("1.10.0", "1.9.0", "1.10.0"),  # a lower one is never used by itself
        ("2.0.0", "2.0.0", "2.0.0"),
    ],
)
def test_a_higher_version_takes_over_and_a_lower_one_waits(current: str, installed: str, after: str) -> None:
    assert versions.after_install(current, installed) == after


@pytest.mark.parametrize(
    ("current", "left", "after"),
    [
        ("1.2.0", ["1.0.0", "1.2.0"], "1.2.0"),  # another one went
        ("1.2.0", ["1.0.0", "1.1.0", "1.3.0"], "1.1.0"),  # the next below, not the highest
        ("1.0.0", ["1.3.0", "1.2.0"], "1.3.0"),
        ("1.0.0", [], ""),
        ("", [], ""),
    ],
)
def test_what_follows_a_removal(current: str, left: list[str], after: str) -> None:
    assert versions.after_removal(current, left) == after


def test_rolling_back_goes_one_version_down_and_is_kept(folder: Path) -> None:
    store = opened(folder)
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        identifier = store.install(make_package(version=version)).package_id
    assert store.select(identifier).version == "1.1.0"
    assert in_use(opened(folder)) == ["1.1.0"]
    assert [kind.version for kind in store.device_types()] == ["1.1.0"]
    assert [kind.version for kind in store.other_types()] == ["1.0.0", "1.2.0"]
    assert store.details(identifier).version == "1.1.0"
    assert store.select(identifier).version == "1.0.0"
    with pytest.raises(NotFoundError, match="nothing to go back to"):
        store.select(identifier)
    assert store.select(identifier, "1.2.0").version == "1.2.0"  # forward again by name
    with pytest.raises(NotFoundError):
        store.select(identifier, "7.0.0")
    assert in_use(opened(folder)) == ["1.2.0"]


def test_built_in_packages_do_not_undo_a_roll_back(folder: Path, tmp_path: Path) -> None:
    built = tmp_path / "built"
    built.mkdir()
    (built / "a.fdix").write_bytes(make_package(version="1.1.0"))
    store = opened(folder)
    identifier = store.install(make_package(version="1.0.0")).package_id
    store.load_builtin(built)
    assert in_use(store) == ["1.1.0"]
    store.select(identifier)
    again = opened(folder)
    again.load_builtin(built)
    assert in_use(again) == ["1.0.0"]


def test_a_version_above_the_one_in_use_ends_a_roll_back(folder: Path) -> None:
    store = opened(folder)
    for version in ("1.0.0", "1.2.0"):
        identifier = store.install(make_package(version=version)).package_id
    store.select(identifier)
    store.install(make_package(version="0.9.0"))
    assert in_use(store) == ["1.0.0"]
    store.install(make_package(version="1.3.0"))
    assert in_use(store) == ["1.3.0"]


def test_removing_the_version_in_use_falls_back_to_the_next_lower_one(folder: Path) -> None:
    store = opened(folder)
    for version in ("1.0.0", "1.1.0", "1.2.0", "1.3.0"):
        identifier = store.install(make_package(version=version)).package_id
    store.select(identifier)
    store.remove(identifier, "1.2.0")
    assert in_use(store) == ["1.1.0"]
    assert in_use(opened(folder)) == ["1.1.0"]
    store.remove(identifier, "1.0.0")
    store.remove(identifier, "1.1.0")
    assert in_use(store) == ["1.3.0"]
    store.remove(identifier)
    assert in_use(opened(folder)) == []


def test_an_undone_installation_leaves_nothing(folder: Path) -> None:
    store = opened(folder)
    entry = store.install(make_package(version="1.0.0"))
    before = store.snapshot()
    newer = store.install(make_package(version="1.1.0"))
    store.restore(before)
    assert (in_use(store), store.list(), newer.path.exists()) == (["1.0.0"], (entry,), False)
    assert [found.version for found in opened(folder).list()] == ["1.0.0"]
