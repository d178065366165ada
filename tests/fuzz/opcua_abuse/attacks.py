"""All attacks, in the order in which they are run."""

from __future__ import annotations

from tests.fuzz.opcua_abuse import alarming, amplifying, changing, decoding, subscribing, transport
from tests.fuzz.opcua_abuse.site import Attack

ATTACKS: tuple[Attack, ...] = (
    *transport.ATTACKS,
    *decoding.ATTACKS,
    *amplifying.ATTACKS,
    *changing.ATTACKS,
    *subscribing.ATTACKS,
    *alarming.ATTACKS,
)
