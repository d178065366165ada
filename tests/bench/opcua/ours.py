"""Our server as its users run it: `fieldloom run` with rights, alarms, history and audit, plus test and load nodes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.bench.opcua.running import Asked, Server
from tests.kit.product import built, launch


async def start(asked: Asked, *, pure: bool) -> Server:
    """Start it on free ports; `pure` leaves the compiled twin of the wire code aside."""
    shared = asked.shared / "built"
    built(shared)
    for name in ("nodesets", "packages"):
        target = asked.folder / name
        if not target.exists():
            asked.folder.mkdir(parents=True, exist_ok=True)
            os.symlink(shared / name, target)
    trusted = asked.folder / "data" / "certs" / "trusted" / "certs"
    trusted.mkdir(parents=True, exist_ok=True)
    shutil.copy(asked.certificate, trusted / "bench.der")
    environment = {
        "FIELDLOOM_OPCUA__ALLOW_NONE": "true",
        "FIELDLOOM_OPCUA__TEST_NODES": "true",
        "FIELDLOOM_OPCUA__LOAD_NODES": str(asked.nodes),
        "FIELDLOOM_OPCUA__LOAD_PERIOD_MS": str(asked.period_ms),
    }
    if pure:
        environment["FIELDLOOM_PURE"] = "1"
    product = await launch(asked.folder, "run", (), environment)
    return Server(product.opcua_url, product.process.pid, product.process)


def twin_is_built() -> bool:
    """True when the compiled twin would be used."""
    found = Path(__file__).resolve().parents[3] / "server" / "opcua" / "wire"
    return any(found.glob("*.so"))


def version() -> str:
    """What the table says of us."""
    from importlib.metadata import version

    return f"fieldloom {version('fieldloom')}"
