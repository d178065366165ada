"""The product under attack over loopback: it answers as the standard says, keeps its memory, and others do not notice.

What each attack does stands beside it in `opcua_abuse`; `tests/bench/bench_abuse.py` runs the same ones harder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.fuzz.opcua_abuse.attacks import ATTACKS
from tests.fuzz.opcua_abuse.site import Attack, Site

ABOVE_MIB = 96.0
"""Peak above the baseline: the largest messages, the fullest queues."""
HASHING_MIB = 128.0
"""More where passwords are hashed: two at a time, 64 MiB each."""
HASHES = {"guessed_passwords", "stranger_takes_over", "browsing_while_nodes_change"}
KEPT_MIB = 40.0
"""Memory afterwards above the baseline: the C allocator keeps up to twice the largest block it has freed, 16 MiB."""
P99_MS, MAX_MS = 2_000.0, 5_000.0
"""What a bystander may wait on a busy machine; an answer takes 0.3 ms when nothing happens."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One product for all attacks: what one leaves behind, the next one meets."""
    with asyncio.Runner() as runner:
        site = runner.run(Site.start(tmp_path_factory.mktemp("abuse")))
        try:
            yield site
        finally:
            runner.run(site.stop())


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_attack(site: Site, attack: Attack) -> None:
    """Each attack checks its answers itself."""
    outcome = await site.attack(attack, kept_mib=KEPT_MIB)
    assert outcome.answer and "silence" not in outcome.answer, outcome
    allowed = ABOVE_MIB + (HASHING_MIB if attack.__name__ in HASHES else 0)
    assert outcome.above_mib < allowed, outcome
    assert outcome.kept_mib <= KEPT_MIB, outcome
    assert outcome.bystander["p99_ms"] < P99_MS and outcome.bystander["max_ms"] < MAX_MS, outcome
    assert not outcome.bystander["lost"], outcome
    assert site.new_errors() == []
    await site.newcomer_works()
