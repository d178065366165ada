"""Packages for different devices on the same topics: welcome when their messages tell which is which."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.core.binding import DeviceIdentity
from server.fdi.errors import PackageError
from server.fdi.store import PackageStore
from tests.kit.packages import assemble, package_files

TELL = 'attributes = { manufacturer_id = "/maker", model_id = "/model" }'


def package(type_id: str, *, model: str = "0x0001", tell: str = TELL, answers: bool = True) -> bytes:
    files = package_files(type_id, topic="things/{device}/telemetry")
    text = files["mqtt.toml"].decode().replace('time = "/time"', f'time = "/time"\n{tell}')
    if not answers:
        text = text[: text.index("[commands]")]
    catalog = files["catalog.toml"].decode().replace('device_model = "0x0001"', f'device_model = "{model}"')
    return assemble({**files, "mqtt.toml": text.encode(), "catalog.toml": catalog.encode()})[0]


@pytest.fixture
def store(tmp_path: Path) -> PackageStore:
    opened = PackageStore(tmp_path)
    opened.load()
    return opened


def test_other_models_may_share_topics_when_messages_tell_the_model(store: PackageStore, tmp_path: Path) -> None:
    store.install(package("one"))
    store.install(package("two", model="0x0002"))
    identities = {kind.type_id: kind.binding.identity for kind in store.device_types()}
    assert identities == {"one": DeviceIdentity("0x7777", "0x0001"), "two": DeviceIdentity("0x7777", "0x0002")}
    assert PackageStore(tmp_path).load() == ()


@pytest.mark.parametrize(
    "other",
    [
        package("two"),  # the same model
        package("two", model="0x0002", tell=""),  # says nothing
        package("two", model="0x0002", tell='attributes = { model_id = "/model" }'),  # not its manufacturer
        package("two", model="0x0002", tell=TELL.replace("/model", "/type")),  # says it elsewhere
    ],
    ids=["same model", "silent", "half", "elsewhere"],
)
def test_topics_whose_messages_could_mean_either_are_refused(store: PackageStore, other: bytes) -> None:
    store.install(package("one"))
    with pytest.raises(PackageError) as caught:
        store.install(other)
    assert caught.value.rule == "store.topic-clash"
