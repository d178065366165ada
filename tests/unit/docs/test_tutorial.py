"""The tutorial runs as it stands: its files are written, its commands run, and what it prints is what comes."""

from __future__ import annotations

import datetime
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from bridge.rehearsal import rehearse
from bridge.sources.replay import ReplaySource
from server.alarms.engine import AlarmEngine
from server.cli import app
from server.core.clock import SystemClock
from server.core.values import RawMessage
from server.fdi.store import PackageStore
from server.model.device_type import DeviceType
from server.model.plant import Plant
from tests.kit.conformance import ROOT
from tests.kit.signing import CODE, certify, rsa_key

TUTORIAL = ROOT / "docs" / "tutorial-package.md"
BLOCK = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = ("text", "toml")
"""Blocks that show what comes out; all others are commands (`console`) or files by name."""


def blocks() -> Iterator[tuple[str, str]]:
    yield from BLOCK.findall(TUTORIAL.read_text(encoding="utf-8"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a signer whose authority the server trusts."""
    monkeypatch.chdir(tmp_path)
    now = datetime.datetime.now(datetime.UTC)
    span = {"begins": now - datetime.timedelta(days=1), "ends": now + datetime.timedelta(days=1)}
    top = certify("Desk Root", rsa_key("desk root"), authority=True, **span)  # type: ignore[arg-type]
    signer = certify("Desk", rsa_key("desk"), issuer=top, usages=CODE, **span)  # type: ignore[arg-type]
    trust = tmp_path / "fdi_packages" / "trust"
    trust.mkdir(parents=True)
    (trust / "root.pem").write_bytes(top.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "signer.pem").write_bytes(signer.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "signer.key").write_bytes(signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return tmp_path


def walk(desk: Path) -> tuple[list[str], list[str]]:
    """Do what the tutorial says from top to bottom; the outputs of its commands, and what it shows."""
    printed, shown = [], []
    for kind, text in blocks():
        if kind == "console":
            for line in text.splitlines():
                program, *words = shlex.split(line.removeprefix("$ "))
                assert program == "fieldloom", line
                result = CliRunner().invoke(app, words)
                assert result.exit_code == 0, (line, result.output, result.exception)
                printed.append(result.output)
                if words[1] == "draft":
                    printed.append(without_comments((desk / "src/acme.pump_p7/mqtt.toml").read_text(encoding="utf-8")))
        elif kind in SHOWN:
            shown.append(text)
        else:
            file = desk / kind
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return printed, shown


def without_comments(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def installed(desk: Path) -> DeviceType:
    store = PackageStore(desk / "data" / "packages")
    store.load()
    (device_type,) = store.device_types()
    return device_type


def recording(desk: Path) -> list[RawMessage]:
    clock = SystemClock()
    lines = (desk / "recording.txt").read_text(encoding="utf-8").splitlines()
    ReplaySource.of_file(desk / "recording.txt", clock)  # the tutorial's recording is one
    return [
        RawMessage(topic, text.encode(), clock.now()) for topic, _, text in (line.partition("\t") for line in lines)
    ]


def test_every_file_and_command_of_the_tutorial_works(desk: Path) -> None:
    """Draft, build, check, sign, check again, install, list: the whole way, and the last word is the installed type."""
    printed, shown = walk(desk)
    draft, binding, _, unsigned, _, trusted, install, listed = printed
    told, file = shown
    assert draft.startswith(told)
    assert binding == file
    assert "the package carries no signature" in unsigned
    assert "signed by Desk (certified by Desk Root)" in trusted
    assert "it counts at the next start" in install
    identifier = "5b1f0c66-3d0b-4c0b-8f0e-6f4b9d8c2a12"
    assert listed.split() == ["*", "pump_p7", "Acme", "1.0.0", "ValidWithWarnings", identifier]


def test_the_installed_package_reads_the_recording_and_raises_its_alarm(desk: Path) -> None:
    """What the tutorial promises: each pump is a device, each of its messages its values, a hot bearing an alarm."""
    walk(desk)
    device_type, now = installed(desk), SystemClock().now()
    found = rehearse(device_type.binding, recording(desk))
    first = found[0].measurements[0]
    assert (first.device_id, dict(first.attributes)) == ("p7-1", {"firmware": "1.2.0"})
    assert [(name, value) for name, value, _ in first.values] == [
        ("flow", 101.5), ("bearing_temp", 60.5), ("mode", 1), ("start_count", 7),
    ]  # fmt: skip
    assert [problem.reason for problem in found[-1].problems] == ["unknown_topic"]  # the log
    plant = Plant()
    engine = AlarmEngine(plant)
    for change in plant.install(device_type):
        engine.model_changed(change, now)
    applied = [plant.apply(measurement, now) for entry in found for measurement in entry.measurements]
    assert sorted(plant.devices) == ["p7-1", "p7-2"]
    assert [event for entry in applied for event in engine.judge(entry.updates)] == []
    hot = json.dumps({"id": "p7-1", "time": "2026-01-05T07:01:00Z", "values": {"bearingTemp": 96.0}}).encode()
    (entry,) = rehearse(device_type.binding, [RawMessage("pumps/p7-1/telemetry", hot, now)])
    events = engine.judge(plant.apply(entry.measurements[0], now).updates)
    assert [(event.device_id, event.name, event.limit_state) for event in events] == [("p7-1", "bearing_temp", "High")]


def test_every_block_of_the_tutorial_is_a_file_a_command_or_shown() -> None:
    kinds = [kind for kind, _ in blocks()]
    assert {kind for kind in kinds if "." not in kind} == {"console", *SHOWN}
    assert len(kinds) == TUTORIAL.read_text(encoding="utf-8").count("\n```") // 2
