"""`fieldloom package draft` on recordings: what it writes, and what it refuses before it listens."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from server.cli import app
from server.core.errors import ConfigurationError, IntegrationError, RemoteError
from server.fdi.build import build_package

RECORDING = """\
# two pumps and a valve
pumps/p-1/raw\t{"flow": 1.5}
pumps/p-2/raw\t{"flow": 2}

valves/v-1/raw\t{"open": true}
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recording.txt").write_text(RECORDING, encoding="utf-8")
    return tmp_path


def draft(*more: str, topic: str = "pumps/#") -> Result:
    words = ["package", "draft", "--topic", topic, "--file", "recording.txt", "--out", "src"]
    return CliRunner().invoke(app, [*words, "--name", "Pump", "--manufacturer", "Acme", *more])


def refused(result: Result) -> IntegrationError:
    assert isinstance(result.exception, IntegrationError), (result.output, result.exception)
    return result.exception


def test_the_source_it_writes_builds(desk: Path) -> None:
    result = draft()
    assert result.exit_code == 0, result.exception
    assert sorted(path.name for path in (desk / "src/acme.pump").iterdir()) == [
        "catalog.toml", "device.ddl", "mqtt.toml",
    ]  # fmt: skip
    assert build_package(desk / "src/acme.pump", desk / "build").name == "acme.pump-0.1.0.fdix"


def test_only_the_topics_named_are_taken_from_a_recording(desk: Path) -> None:
    assert "2 messages heard" in draft().output
    assert "3 messages heard" in draft("--type", "all", topic="#").output
    assert 'topic = "valves/{device}/raw"' not in (desk / "src/acme.pump/mqtt.toml").read_text(encoding="utf-8")


def test_no_more_messages_than_asked_for(desk: Path) -> None:
    assert "1 messages heard, 1 kept" in draft("--messages", "1").output


def test_names_are_as_the_user_says(desk: Path) -> None:
    identifier = "5b1f0c66-3d0b-4c0b-8f0e-6f4b9d8c2a11"
    assert draft("--type", "pump_x", "--id", identifier.upper()).exit_code == 0
    folder = desk / "src/acme.pump_x"
    assert f'id = "{identifier}"' in (folder / "catalog.toml").read_text(encoding="utf-8")
    assert 'type = "pump_x"' in (folder / "mqtt.toml").read_text(encoding="utf-8")


def test_nothing_is_overwritten(desk: Path) -> None:
    draft()
    (desk / "src/acme.pump/device.ddl").write_text("mine", encoding="utf-8")
    assert "exists already" in refused(draft()).text
    assert (desk / "src/acme.pump/device.ddl").read_text(encoding="utf-8") == "mine"


def test_without_a_usable_message_nothing_is_written_and_the_reasons_are_told(desk: Path) -> None:
    (desk / "recording.txt").write_text("pumps/p-1/raw\tnot json\n", encoding="utf-8")
    result = draft()
    assert isinstance(result.exception, RemoteError)
    assert "left out: no JSON in UTF-8: 1 (pumps/p-1/raw)" in result.output
    assert not (desk / "src").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--topic", "a/#/b"), "no topic filter"),
        (("--id", "none"), "is no UUID"),
        (("--type", "Pump"), "such as pump"),
        (("--name", ""), "1 to 256 characters"),
        (("--file", "none.txt"), "none.txt"),
    ],
)
def test_wrong_words_are_told_before_anything_happens(desk: Path, words: tuple[str, ...], said: str) -> None:
    error = refused(draft(*words))
    assert isinstance(error, ConfigurationError)
    assert said in " ".join(error.problems)
    assert not (desk / "src").exists()


def test_a_broken_recording_names_its_line(desk: Path) -> None:
    (desk / "recording.txt").write_text("pumps/p-1/raw\t{}\nno tab here\n", encoding="utf-8")
    assert "recording.txt:2" in " ".join(refused(draft()).problems)
