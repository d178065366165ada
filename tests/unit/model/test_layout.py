"""plant.toml is read whole or refused with every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.core.errors import ConfigurationError
from server.model.layout import load_layout


def test_facilities_areas_and_devices(tmp_path: Path) -> None:
    file = tmp_path / "plant.toml"
    file.write_text(
        '[facility.north]\nname = "North works"\nname_ru = "Север"\nareas = { hall-1 = "Hall 1" }\n'
        '[device.gpu-1]\nname = "Engine one"\nfacility = "north"\narea = "hall-1"\n',
        encoding="utf-8",
    )
    layout = load_layout(file)
    assert layout.devices["gpu-1"].path == ("north", "hall-1")
    assert layout.display_name(("north",)).best(["ru"]) == ("ru", "Север")
    assert layout.display_name(("north", "hall-1")).default == "Hall 1"
    assert layout.display_name(("south",)).default == "south"


def test_missing_file_is_an_empty_layout(tmp_path: Path) -> None:
    assert load_layout(tmp_path / "none.toml").devices == {}


def test_every_mistake_is_listed(tmp_path: Path) -> None:
    file = tmp_path / "plant.toml"
    file.write_text(
        '[plants]\n[facility.north]\nnmae = "x"\n'
        '[device.a]\nfacility = "south"\n[device.b]\narea = "hall"\n[device.c]\nname = 3\n'
    )
    with pytest.raises(ConfigurationError) as caught:
        load_layout(file)
    text = " ".join(caught.value.problems)
    assert len(caught.value.problems) == 5
    for part in ("plants", "facility.north.nmae", "no [facility.south]", "device.b", "device.c.name"):
        assert part in text


def test_broken_toml_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "plant.toml"
    file.write_text("[facility")
    with pytest.raises(ConfigurationError, match=r"plant\.toml"):
        load_layout(file)
