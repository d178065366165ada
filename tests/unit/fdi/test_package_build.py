"""A build is the same byte for byte, and tells an author all mistakes of catalog.toml at once."""

from __future__ import annotations

import io
import os
import re
import zipfile
from pathlib import Path

import pytest

from server.core.errors import ConfigurationError
from server.fdi.build import assemble, build_package, check_package, list_packages, source_folders
from server.fdi.errors import PackageError
from tests.kit.packages import EDD, make_package, package_files

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples"
PNG = (ROOT / "fdi_packages" / "src" / "fieldloom.smart_breaker" / "images" / "icon.png").read_bytes()


def source(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    for name, data in (files or package_files()).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_two_builds_are_equal_whatever_the_files_times(tmp_path: Path) -> None:
    first = build_package(source(tmp_path / "one" / "acme.thing"), tmp_path / "a")
    for path in (tmp_path / "one").rglob("*"):
        os.utime(path, (1, 1))
    second = build_package(tmp_path / "one" / "acme.thing", tmp_path / "b")
    assert first.name == second.name == "acme.thing-1.0.0.fdix"
    assert first.read_bytes() == second.read_bytes()


def test_the_package_is_a_plain_zip_that_others_read(tmp_path: Path) -> None:
    # Python's own reader stands for the rest of the world.
    with zipfile.ZipFile(build_package(source(tmp_path / "acme.thing"), tmp_path)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "[Content_Types].xml",
            "_rels/.rels",
            "_rels/catalog.xml.rels",
            "catalog.xml",
            "edd/device.ddl",
            "protocol/mqtt.toml",
        ]
        assert archive.read("edd/device.ddl") == EDD.encode()


def test_a_source_that_is_wrong_writes_nothing(tmp_path: Path) -> None:
    folder = source(tmp_path / "acme.thing", package_files(edd=EDD[:100]))
    with pytest.raises(PackageError) as caught:
        build_package(folder, tmp_path / "out")
    assert caught.value.part == "/edd/device.ddl"
    assert not (tmp_path / "out").exists()


def test_all_mistakes_of_the_catalog_are_listed() -> None:
    files = package_files()
    files["catalog.toml"] = b"""
        colour = "red"
        [package]
        id = "12"
        version = "one"
        logo = "logo.exe"
        [device_type]
        edd = "missing.ddl"
        binding = "../mqtt.toml"
        [device_type.interface]
        role = "King"
        [[device_type.document]]
        file = "notes.exe"
        """
    files["notes.exe"] = files["logo.exe"] = b"MZ"
    with pytest.raises(PackageError) as caught:
        assemble(files)
    assert caught.value.part == "catalog.toml"
    found = caught.value.problems
    for start in (
        "colour: means nothing here",
        "package.id: '12' is no UUID",
        "package.version: 'one' is no version",
        "package.manufacturer: is missing",
        "package.logo: files of the kind .exe",
        "device_type.edd: there is no file 'missing.ddl'",
        "device_type.binding: there is no file '../mqtt.toml'",
        "device_type.name: is missing",
        "device_type.interface.role: 'King'",
        "device_type.document[1].title: is missing",
        "device_type.document[1].file: files of the kind .exe",
    ):
        assert any(text.startswith(start) for text in found), (start, found)


def test_links_and_hidden_files_stay_out(tmp_path: Path) -> None:
    folder = source(tmp_path / "acme.thing")
    (folder / "secret.ddl").symlink_to("/etc/hostname")
    (folder / ".hidden.ddl").write_text("VARIABLE", encoding="utf-8")
    with zipfile.ZipFile(build_package(folder, tmp_path)) as archive:
        assert [name for name in archive.namelist() if name.startswith("edd/")] == ["edd/device.ddl"]


def test_includes_and_dictionaries_travel_with_the_edd() -> None:
    edd = (
        EDD.replace("VARIABLE level", '#include "parts/limits.h"\nVARIABLE level')
        .replace('"How full it is."', "[level_help]")
        .replace("MAX_VALUE 100.0", "MAX_VALUE LIMIT")
    )
    data = make_package(
        edd=edd,
        files={
            "parts/limits.h": b"#define LIMIT 90.0\n",
            "texts.dct": '[1,1] level_help "|en|How full.|ru|Насколько"\n'.encode(),
        },
    )
    level = check_package(data).device_types[0].parameters["level"]
    assert level.eu_range == (0.0, 90.0)
    assert level.help.by_language == {"en": "How full.", "ru": "Насколько"}


def test_documents_and_images_become_attachments() -> None:
    more = 'image = "img/thing.png"\nicon = "img/icon.png"\n' + "".join(
        f'[[device_type.document]]\ntitle = "Manual"\nlanguage = "{code}"\nfile = "docs/manual_{code}.md"\n'
        for code in ("en", "ru")
    )
    files = {
        "img/thing.png": PNG,
        "img/icon.png": PNG,
        "docs/manual_en.md": b"English",
        "docs/manual_ru.md": b"Russian",
    }
    found = check_package(make_package(more=more, files=files)).device_types[0]
    assert [(entry.name, entry.language, entry.content_type, entry.data) for entry in found.documents] == [
        ("manual_en.md", "en", "text/plain", b"English"),
        ("manual_ru.md", "ru", "text/plain", b"Russian"),
    ]
    assert [(entry.name, entry.data) for entry in found.images] == [("thing.png", PNG)]
    assert found.icon is not None
    assert found.icon.name == "icon.png"


def test_an_image_that_is_none_is_refused() -> None:
    with pytest.raises(PackageError) as caught:
        check_package(make_package(more='image = "a.png"', files={"a.png": b"<svg onload=x>"}))
    assert caught.value.rule == "image"


def test_listing_a_folder_tells_what_is_wrong_with_each_file(tmp_path: Path) -> None:
    (tmp_path / "good.fdix").write_bytes(make_package())
    (tmp_path / "bad.fdix").write_bytes(b"bad")
    bad, good = list_packages(tmp_path)
    assert bad.error is not None
    assert bad.error.rule == "zip.structure"
    assert good.report is not None
    assert good.report.device_types[0].type_id == "test_thing"


def test_a_source_path_means_one_folder_or_all_below(tmp_path: Path) -> None:
    one, two = source(tmp_path / "acme.one"), source(tmp_path / "acme.two")
    (tmp_path / "nothing").mkdir()
    assert source_folders(tmp_path) == [one, two]
    assert source_folders(one) == [one]
    with pytest.raises(ConfigurationError, match="neither"):
        source_folders(tmp_path / "nothing")


def test_the_documented_example_is_a_whole_package() -> None:
    names = ("catalog.toml", "mqtt.toml", "alarms.toml", "device.ddl")
    files = {name: (EXAMPLES / name).read_bytes() for name in names}
    files |= {f"images/{name}.png": PNG for name in ("logo", "device", "icon")}
    files |= {f"docs/manual_{code}.md": code.encode() for code in ("en", "ru")}
    report = check_package(assemble(files)[0])
    assert report.warnings == ()
    found = report.device_types[0]
    assert found.type_id == "pump_p7"
    assert found.area == ("Waterworks", "Pump hall")
    assert [entry.name for entry in found.methods] == ["Start", "Stop", "SetThreshold", "GetDiagnostics"]
    assert len(found.documents) == 2


def test_every_rule_is_documented() -> None:
    # Operators meet these words in errors; docs/packages.md must know each one.
    text = (ROOT / "docs" / "packages.md").read_text("utf-8")
    documented = set(re.findall(r"`([a-z-]+(?:\.[a-z-]+)?)`", text))
    used: set[str] = set()
    for path in (ROOT / "server" / "fdi").glob("*.py"):
        code = path.read_text("utf-8")
        used |= set(re.findall(r'rule="([a-z.-]+)"', code))
        used |= set(re.findall(r'"((?:zip|opc|xml|toml|catalog|edd|store|binding|image)\.[a-z-]+)"', code))
    used -= {"package"} | {name for name in used if name.endswith((".toml", ".xml"))}
    assert len(used) > 30
    assert used <= documented, sorted(used - documented)


def test_a_package_with_only_an_encoded_edd_says_so() -> None:
    # The encoded form has no public format: such a package loads as far as catalog, documents and plug-ins.
    data = make_package()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["catalog.xml"] = members["catalog.xml"].replace(b"Source>", b"Binary>")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    report = check_package(buffer.getvalue())
    assert report.device_types == ()
    assert any("encoded EDD, which has no public format" in text for text in report.warnings)
