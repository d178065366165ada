"""The profiles that ServerProfileArray lists: those whose every unit docs/conformance.toml shows by passing tests."""

from __future__ import annotations

SERVER_PROFILES: tuple[str, ...] = ()
"""ProfileUris (OPC 10000-7)."""
