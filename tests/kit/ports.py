"""A port that stays ours while nobody listens on it, for programs that are stopped and started again."""

from __future__ import annotations

import random
import socket

LOW, HIGH = 15_000, 30_000
"""Below what the system gives to connections and to port 0: nobody else gets it during an outage."""


def kept_port() -> int:
    """A free port of 127.0.0.1 between LOW and HIGH."""
    chance = random.SystemRandom()  # tests run with the same seed in several processes
    while True:
        port = chance.randrange(LOW, HIGH)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
