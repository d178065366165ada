"""Channels from the environment: a list that is no JSON is a wrong setting like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.core.errors import ConfigurationError
from server.settings.tree import load

SECRET = "whsec_never_shown"


@pytest.mark.parametrize("text", ["nonsense", '[{"kind": "syslog", ', f"[{{'secret': '{SECRET}'}}]"])
def test_a_list_that_is_no_json_is_told_as_a_wrong_setting(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIELDLOOM_NOTIFY__CHANNELS", text)
    with pytest.raises(ConfigurationError) as refused:
        load()
    assert "notify" in refused.value.text
    assert "JSON" in refused.value.text
    assert SECRET not in refused.value.text


def test_a_list_in_json_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    channels = [{"kind": "syslog", "name": "siem", "host": "siem.example.org"}]
    monkeypatch.setenv("FIELDLOOM_NOTIFY__CHANNELS", json.dumps(channels))
    assert [channel.name for channel in load().notify.channels] == ["siem"]
