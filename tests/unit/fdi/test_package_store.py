"""The store keeps packages over restarts, takes one whole or not at all, and keeps a refused one in quarantine only."""

from __future__ import annotations

import errno
import hashlib
import threading
import uuid
from pathlib import Path

import pytest

from server.core.errors import IntegrationError, NotFoundError
from server.fdi.archive import ContainerLimits
from server.fdi.errors import PackageError
from server.fdi.store import PackageStore
from tests.kit.packages import EDD, NAMESPACE, Item, container, make_package, raw_zip

CATALOG = b'<c:Catalog xmlns:c="http://fdi-cooperation.com/2010/package">%s</c:Catalog>'
TOPIC = "others/{device}/telemetry"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "packages"


@pytest.fixture
def store(folder: Path) -> PackageStore:
    opened = PackageStore(folder)
    assert opened.load() == ()
    return opened


def files(folder: Path) -> set[str]:
    """Every file of the store except what lies in quarantine."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if path.parts[0] != "quarantine"}


def objects(folder: Path) -> set[str]:
    """Every package file of the store."""
    return {name for name in files(folder) if name.endswith(".fdix")}


def object_of(data: bytes) -> str:
    """Where a package lies: called by the SHA-256 of its bytes."""
    return f"objects/{hashlib.sha256(data).hexdigest()}.fdix"


def refused(store: PackageStore, data: bytes) -> PackageError:
    with pytest.raises(PackageError) as caught:
        store.install(data)
    return caught.value


def test_an_installed_package_is_there_after_a_restart(store: PackageStore, folder: Path) -> None:
    entry = store.install(make_package())
    assert [device_type.type_id for device_type in store.device_types()] == ["test_thing"]
    assert files(folder) == {object_of(make_package()), "index.json"}
    again = PackageStore(folder)
    assert again.load() == ()
    assert [(found.package_id, found.version, found.digest) for found in again.list()] == [
        (entry.package_id, "1.0.0", entry.digest)
    ]
    assert [device_type.type_id for device_type in again.device_types()] == ["test_thing"]


def test_the_stored_file_is_what_was_received(store: PackageStore) -> None:
    data = make_package()
    assert store.install(data).path.read_bytes() == data


def test_the_same_package_again_changes_nothing(store: PackageStore) -> None:
    assert store.install(make_package()) is store.install(make_package())


def test_the_same_version_with_other_content_is_refused(store: PackageStore, folder: Path) -> None:
    first = store.install(make_package())
    changed = make_package(edd=EDD.replace("How full it is.", "How full."))
    assert refused(store, changed).rule == "store.same-version"
    assert store.details(first.package_id).digest == first.digest
    assert objects(folder) == {object_of(make_package())}


def test_a_higher_version_is_an_update_and_the_older_stays(store: PackageStore) -> None:
    store.install(make_package(version="1.10.0"))
    store.install(make_package(version="1.9.0"))
    assert [entry.version for entry in store.list()] == ["1.9.0", "1.10.0"]
    assert [entry.version for entry in store.current()] == ["1.10.0"]
    assert [device_type.version for device_type in store.device_types()] == ["1.10.0"]
    identifier = store.list()[0].package_id
    assert store.details(identifier).version == "1.10.0"
    assert store.details(identifier, "1.9.0").version == "1.9.0"
    store.remove(identifier, "1.10.0")
    assert [device_type.version for device_type in store.device_types()] == ["1.9.0"]


def test_removing_a_package_removes_all_its_versions(store: PackageStore, folder: Path) -> None:
    entry = store.install(make_package(version="1.0.0"))
    store.install(make_package(version="1.1.0"))
    gone = store.remove(entry.package_id.upper())
    assert {found.version for found in gone} == {"1.0.0", "1.1.0"}
    assert store.list() == ()
    assert not any(name.endswith(".fdix") for name in files(folder))
    with pytest.raises(NotFoundError):
        store.remove(entry.package_id)
    with pytest.raises(NotFoundError):
        store.details(entry.package_id)


@pytest.mark.parametrize("name", ["", "../../etc", "nobody", "c40a3b3f"])
def test_a_name_that_is_no_package_is_not_found(store: PackageStore, name: str) -> None:
    with pytest.raises(NotFoundError):
        store.details(name)


def test_a_type_of_another_package_is_refused(store: PackageStore) -> None:
    store.install(make_package("thing"))
    other = make_package("thing", package_id="00000000-0000-4000-8000-000000000001", topic=TOPIC)
    assert refused(store, other).rule == "store.type-clash"


@pytest.mark.parametrize(
    "topic", ["things/{id}/telemetry", "things/{device}/{kind}", "{place}/{device}/telemetry", "{a}/{b}/{device}"]
)
def test_a_topic_of_another_package_is_refused(store: PackageStore, topic: str) -> None:
    # Which of the two types a message meant could not be told.
    store.install(make_package("thing"))
    name = "id" if "{id}" in topic else "device"
    other = f"""
        type = "other"
        device_id = "{{{name}}}"
        [[message]]
        topic = "{topic}"
        parameters = {{ level = "/level" }}
        """
    assert refused(store, make_package("other", binding=other)).rule == "store.topic-clash"


def test_other_topics_live_side_by_side(store: PackageStore) -> None:
    store.install(make_package("thing"))
    store.install(make_package("other", topic=TOPIC))
    assert {device_type.type_id for device_type in store.device_types()} == {"thing", "other"}


HOSTILE = {
    "no archive": b"hello",
    "bomb": container(Item(name="a.txt", data=bytes(20_000_000))),
    "escape": container(Item(name="../../evil.txt", data=b"evil")),
    "absolute": container(Item(name="/tmp/evil.txt", data=b"evil")),
    "link": container(Item(name="evil.txt", data=b"/etc/passwd", mode=0o120777)),
    "encrypted": container(Item(name="a.txt", data=b"x", flags=1)),
    "no catalog": container(Item(name="a.txt", data=b"x")),
    "external entity": raw_zip(
        [
            Item(name="[Content_Types].xml", data=b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'),
        ]
    ),
    "entity in the catalog": container(
        Item(name="catalog.xml", data=b'<!DOCTYPE c [<!ENTITY e "x">]>' + CATALOG % b"<PackageId>&e;</PackageId>")
    ),
    "huge catalog": container(Item(name="catalog.xml", data=CATALOG % (b"<a>text</a>" * 500_000), method=0)),
    "catalog of many elements": container(Item(name="catalog.xml", data=CATALOG % (b"<a/>" * 200_000), method=0)),
    "deep catalog": container(Item(name="catalog.xml", data=CATALOG % (b"<a>" * 100 + b"</a>" * 100))),
    "truncated": make_package()[:-200],
    "truncated EDD": make_package(edd=EDD[: len(EDD) // 2]),
    "empty EDD": make_package(edd=""),
    "wrong binding": make_package(binding="type = 'x'"),
    "reference to nowhere": make_package(edd=EDD.replace("INPUT, level;", "INPUT, levle;")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_refused_package_leaves_nothing_outside_quarantine(
    store: PackageStore, folder: Path, tmp_path: Path, name: str
) -> None:
    kept = store.install(make_package("kept", topic=TOPIC))
    before = files(folder)
    error = refused(store, HOSTILE[name])
    assert error.rule
    assert error.rule in error.text
    assert files(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["packages"]
    assert store.list() == (kept,)
    reasons = [path.read_text("utf-8") for path in (folder / "quarantine").glob("*.txt")]
    assert len(reasons) == 1
    assert error.text in reasons[0]
    assert PackageStore(folder).load() == ()


def test_a_truncated_edd_is_told_with_part_and_line(store: PackageStore) -> None:
    error = refused(store, HOSTILE["truncated EDD"])
    assert error.part == "/edd/device.ddl"
    assert error.line > 1
    assert error.rule.startswith("edd.")
    assert error.problems


def test_a_file_too_large_is_not_even_kept(folder: Path) -> None:
    store = PackageStore(folder, ContainerLimits(max_bytes=1_000))
    assert refused(store, bytes(1_001)).rule == "zip.size"
    assert not (folder / "quarantine").exists()


def test_quarantine_is_bounded(store: PackageStore, folder: Path) -> None:
    for number in range(25):
        refused(store, b"broken %d" % number)
    assert len(list((folder / "quarantine").iterdir())) == 40  # twenty packages and their reasons


def test_a_file_that_no_longer_loads_is_listed_and_the_rest_works(store: PackageStore, folder: Path) -> None:
    broken = store.install(make_package("broken"))
    store.install(make_package("whole", topic=TOPIC))
    broken.path.write_bytes(broken.path.read_bytes()[:-10])
    again = PackageStore(folder)
    assert [(entry.path, entry.error.rule) for entry in again.load()] == [(broken.path, "store.damaged")]
    assert [device_type.type_id for device_type in again.device_types()] == ["whole"]
    assert broken.path.exists()


def test_a_package_under_a_false_name_is_not_loaded(store: PackageStore, folder: Path) -> None:
    entry = store.install(make_package())
    entry.path.rename(entry.path.with_name("9.9.9.fdix"))
    assert [found.error.rule for found in PackageStore(folder).load()] == ["file"]
    assert objects(folder) == {"objects/9.9.9.fdix"}  # not called as ours are: left alone


def test_a_damaged_package_can_be_installed_again(store: PackageStore, folder: Path) -> None:
    entry = store.install(make_package())
    entry.path.write_bytes(b"")
    again = PackageStore(folder)
    assert [found.error.rule for found in again.load()] == ["store.damaged"]
    assert again.install(make_package()).path.read_bytes() == make_package()
    assert PackageStore(folder).load() == ()


def test_an_older_version_serves_while_the_chosen_one_is_damaged(store: PackageStore, folder: Path) -> None:
    store.install(make_package(version="1.0.0"))
    broken = store.install(make_package(version="1.1.0"))
    broken.path.write_bytes(b"x")
    again = PackageStore(folder)
    assert [found.path for found in again.load()] == [broken.path]
    assert [entry.version for entry in again.current()] == ["1.0.0"]
    again.install(make_package(version="1.1.0"))
    assert [entry.version for entry in again.current()] == ["1.1.0"]


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff", b'{"format": 1}', b'{"format": 99, "packages": []}', b"[]"])
def test_a_damaged_index_is_made_anew_from_the_packages(store: PackageStore, folder: Path, damage: bytes) -> None:
    store.install(make_package(version="1.0.0"))
    entry = store.install(make_package(version="1.1.0"))
    store.select(entry.package_id, "1.0.0")
    index = folder / "index.json"
    index.write_bytes(damage)
    again = PackageStore(folder)
    assert [(found.path, found.error.rule) for found in again.load()] == [(index, "store.index")]
    assert [found.version for found in again.list()] == ["1.0.0", "1.1.0"]
    assert [found.version for found in again.current()] == ["1.1.0"]  # what was chosen is lost, and that is told
    assert (folder / "index.damaged").read_bytes() == damage
    assert PackageStore(folder).load() == ()


def test_what_a_crash_left_behind_is_swept(store: PackageStore, folder: Path) -> None:
    entry = store.install(make_package())
    orphan = entry.path.with_name("0" * 64 + ".fdix")
    orphan.write_bytes(make_package(version="9.0.0"))
    unfinished = entry.path.with_name(entry.path.name + ".incoming")
    unfinished.write_bytes(b"PK")
    assert PackageStore(folder).load() == ()
    assert objects(folder) == {object_of(make_package())}
    assert not unfinished.exists()


def lay_out_as_before(folder: Path, data: bytes, version: str) -> Path:
    """A package file where earlier releases kept it."""
    identifier = str(uuid.uuid5(NAMESPACE, "test_thing"))
    path = folder / identifier / f"{version}.fdix"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_the_layout_of_earlier_releases_is_taken_over(folder: Path, tmp_path: Path) -> None:
    first = lay_out_as_before(folder, make_package(), "1.0.0")
    lay_out_as_before(folder, make_package(version="1.2.0"), "1.2.0")
    (first.parent / "1.1.0.removed").touch()
    store = PackageStore(folder)
    assert store.load() == ()
    assert [entry.version for entry in store.list()] == ["1.0.0", "1.2.0"]
    assert [entry.version for entry in store.current()] == ["1.2.0"]
    assert not first.parent.exists()
    built = tmp_path / "built"
    built.mkdir()
    (built / "a.fdix").write_bytes(make_package(version="1.1.0"))
    assert store.load_builtin(built) == ((), ())  # a user had removed it


def test_a_broken_file_of_an_earlier_release_stays_and_is_told(folder: Path) -> None:
    whole = lay_out_as_before(folder, make_package(), "1.0.0")
    misplaced = lay_out_as_before(folder, make_package(version="2.0.0"), "1.5.0")
    broken = lay_out_as_before(folder, b"x", "1.6.0")
    store = PackageStore(folder)
    assert [(entry.path, entry.error.rule) for entry in store.load()] == [
        (misplaced, "store.place"),
        (broken, "zip.structure"),
    ]
    assert [entry.version for entry in store.list()] == ["1.0.0"]
    assert (whole.exists(), misplaced.exists(), broken.exists()) == (False, True, True)


def test_a_full_disk_changes_nothing(store: PackageStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = store.install(make_package())
    before = files(folder)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("server.fdi.objects.os.fsync", full)
    for change in (
        lambda: store.install(make_package(version="1.1.0")),
        lambda: store.remove(entry.package_id),
        lambda: store.select(entry.package_id, "1.0.0"),
    ):
        with pytest.raises(IntegrationError, match="No space left on device"):
            change()
    monkeypatch.undo()
    assert store.list() == (entry,)
    again = PackageStore(folder)
    assert again.load() == ()
    assert [found.version for found in again.current()] == ["1.0.0"]
    assert files(folder) == before | {"index.json.incoming"}


def test_built_in_packages_are_installed_once(store: PackageStore, tmp_path: Path) -> None:
    built = tmp_path / "built"
    built.mkdir()
    (built / "a.fdix").write_bytes(make_package("thing"))
    (built / "b.fdix").write_bytes(b"broken")
    installed, refused_files = store.load_builtin(built)
    assert [entry.device_types[0].type_id for entry in installed] == ["thing"]
    assert [(entry.path.name, entry.error.rule) for entry in refused_files] == [("b.fdix", "zip.structure")]
    assert store.load_builtin(built)[0] == ()
    assert (built / "b.fdix").exists()


def test_a_built_in_package_that_a_user_removed_stays_away(store: PackageStore, folder: Path, tmp_path: Path) -> None:
    built = tmp_path / "built"
    built.mkdir()
    (built / "a.fdix").write_bytes(make_package("thing"))
    entry = store.load_builtin(built)[0][0]
    store.remove(entry.package_id)
    again = PackageStore(folder)
    again.load()
    assert again.load_builtin(built) == ((), ())
    again.install(make_package("thing"))
    again.remove(entry.package_id)
    (built / "a.fdix").write_bytes(make_package("thing", version="1.1.0"))
    assert [found.version for found in again.load_builtin(built)[0]] == ["1.1.0"]


def test_two_threads_cannot_install_packages_that_clash(store: PackageStore) -> None:
    packages = [make_package("thing", package_id=f"00000000-0000-4000-8000-00000000000{n}") for n in range(8)]
    start = threading.Barrier(len(packages))
    taken: list[str] = []

    def install(data: bytes) -> None:
        start.wait(10)
        try:
            taken.append(store.install(data).package_id)
        except PackageError as error:
            assert error.rule == "store.type-clash"

    threads = [threading.Thread(target=install, args=(data,)) for data in packages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(taken) == 1
    assert [entry.package_id for entry in store.list()] == taken
