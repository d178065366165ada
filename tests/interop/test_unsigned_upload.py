"""What a started product does with packages by their signature: `run` refuses unsigned uploads, the demo takes them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from server.core.clock import SystemClock, to_datetime
from tests.kit.packages import make_package, members, repacked
from tests.kit.product import Product, product
from tests.kit.signing import CODE, DAY, certify, rsa_key, signed

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]


async def upload(server: Product, data: bytes) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.http_url, timeout=30) as http:
        answer = await http.post("/api/login", json={"user": "engineer", "password": server.password("engineer")})
        rights = {"Authorization": f"Bearer {answer.json()['token']}", "Content-Type": "application/octet-stream"}
        return await http.post("/api/packages", content=data, headers=rights)


async def test_a_server_takes_signed_packages_only(tmp_path: Path) -> None:
    now = SystemClock().now()
    span = {"begins": to_datetime(now) - DAY, "ends": to_datetime(now) + DAY}
    top = certify("Site Root", rsa_key("root"), authority=True, **span)  # type: ignore[arg-type]
    who = certify("Site Packages", rsa_key("maker"), issuer=top, usages=CODE, **span)  # type: ignore[arg-type]
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "root.pem").write_bytes(top.certificate.public_bytes(Encoding.PEM))
    env = {
        "FIELDLOOM_PACKAGES__UNSIGNED": "refuse",
        "FIELDLOOM_PACKAGES__TRUST_DIR": str(tmp_path / "trust"),
    }
    good = signed(make_package(), by=who, time=now)
    changed = members(good)
    changed["edd/device.ddl"] = changed["edd/device.ddl"].replace(b"80.0", b"99.0")
    async with product(tmp_path, env=env) as server:
        refused = await upload(server, make_package())
        assert refused.status_code == 422, refused.text
        assert "signature.unsigned" in refused.text
        refused = await upload(server, repacked(changed))
        assert "/edd/device.ddl was changed after signing" in refused.text
        taken = await upload(server, good)
        assert taken.status_code in (200, 201), taken.text
        (entry,) = taken.json()
        assert entry["signature"]["state"] == "ValidWithWarnings"
        assert entry["signature"]["signatures"][0]["signer"] == "Site Packages"


async def test_the_demo_takes_unsigned_packages_and_shows_that(tmp_path: Path) -> None:
    async with product(tmp_path, "--devices", "loom=1", command="demo") as server:
        taken = await upload(server, make_package())
        assert taken.status_code in (200, 201), taken.text
        assert taken.json()[0]["signature"]["state"] == "Unsigned"
