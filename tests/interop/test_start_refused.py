"""A start that cannot be: exit 2, every reason, and what to do."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.kit.product import ROOT, built, launch, product

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]


async def start(folder: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and what was said of a start that is expected to end by itself."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("FIELDLOOM_")}
    ports = {f"FIELDLOOM_{name}__PORT": "0" for name in ("OPCUA", "HTTP", "MQTT")}
    folder.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "run"),
        cwd=folder,
        env={
            **plain,
            **built(folder),
            **ports,
            "FIELDLOOM_DATA_DIR": str(folder / "data"),
            "PYTHONPATH": str(ROOT),
            **env,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        stdin=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_second_start_names_the_owner(tmp_path: Path) -> None:
    async with product(tmp_path) as first:
        code, said = await start(tmp_path, {})
        assert code == 2
        assert f"in use by process {first.process.pid}" in said
        assert "FIELDLOOM_DATA_DIR" in said
        # The port of the first, from another data folder.
        port = first.http_url.rsplit(":", 1)[1]
        code, said = await start(tmp_path / "other", {"FIELDLOOM_HTTP__PORT": port})
        assert code == 2
        assert f"process {first.process.pid} uses it" in said
        assert "FIELDLOOM_HTTP__PORT" in said
    # Control: the same folder starts again after the first has stopped.
    again = await launch(tmp_path, "run", (), {})
    assert await again.stop() == 0


@pytest.mark.parametrize("name", ["OPCUA", "HTTP", "MQTT"])
async def test_used_port_ends_the_start(tmp_path: Path, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = await start(tmp_path, {f"FIELDLOOM_{name}__PORT": str(port)})
    assert code == 2
    assert f"process {os.getpid()}" in said
    assert f"FIELDLOOM_{name}__PORT" in said


async def test_three_mistakes_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "fieldloom.toml").write_text('[opcua]\nport = "x"\n[http]\nsession = 1\n')
    code, said = await start(tmp_path, {"FIELDLOOM_OPCUA__PORT": "", "FIELDLOOM_MQTT__URL": "ftp://nowhere"})
    assert code == 2
    for part in ("opcua.port", "http.session: no such setting", "FIELDLOOM_MQTT__URL: mqtt.url"):
        assert part in said
    assert not (tmp_path / "data" / "site.db").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[opcua", "fieldloom.toml"), ('[opcua]\nhost = "0.0.0.0"\ntest_nodes = true\n', "need opcua.host on loopback")],
)
async def test_broken_settings_file(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "fieldloom.toml").write_text(text)
    code, said = await start(tmp_path, {})
    assert code == 2
    assert reason in said
    assert "Traceback" not in said


async def test_older_nodesets_end_the_start_with_what_to_do(tmp_path: Path) -> None:
    # Left over from an earlier version of the program: DI alone.
    folder = tmp_path / "older"
    folder.mkdir()
    name = "di.NodeSet2.xml"
    (folder / name).write_bytes((Path(built(tmp_path)["FIELDLOOM_NODESETS_DIR"]) / name).read_bytes())
    code, said = await start(tmp_path, {"FIELDLOOM_NODESETS_DIR": str(folder)})
    assert code == 2
    assert "http://fdi-cooperation.com/OPCUA/FDI7/ lacks i=11" in said
    assert "run `fieldloom nodeset build`" in said
    assert "Traceback" not in said
