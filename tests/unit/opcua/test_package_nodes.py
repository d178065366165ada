"""Objects/Fieldloom/Packages: which package is in use, how far its signature is believed, what else is installed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.opcua import OpcUaRig, running
from tests.kit.versions import pump_as_built, pump_updated


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, types=[pump_as_built()]) as room:
        yield room


async def test_a_package_shows_its_signature_and_its_other_versions(rig: OpcUaRig) -> None:
    # Unsigned packages that the policy lets in are told as such to every client.
    async with rig.client() as client:

        async def shown(name: str) -> object:
            return await client.get_node(rig.node(f"Fieldloom/Packages/pump/{name}")).read_value()

        assert [await shown(name) for name in ("Version", "SignatureState", "Signer")] == ["1.0.0", "Unsigned", ""]
        assert await shown("OtherVersions") == []
        signed = replace(pump_updated(), signature="ValidWithWarnings", signer="Test Works")
        await rig.pipeline.install(signed)
        await rig.server.show_others([pump_as_built()])
        told = [await shown(name) for name in ("Version", "SignatureState", "Signer")]
        assert told == [signed.version, "ValidWithWarnings", "Test Works"]
        assert await shown("OtherVersions") == ["1.0.0"]
        await rig.server.show_others([])
        assert await shown("OtherVersions") == []
