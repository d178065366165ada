"""What all sections have in common."""

from __future__ import annotations

import ipaddress

from pydantic import BaseModel, ConfigDict


def is_loopback(host: str) -> bool:
    """True for a name or address that only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Section(BaseModel):
    """One section: read only, unknown keys refused, each key described by the line below it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
