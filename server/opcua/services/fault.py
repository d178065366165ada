"""How a service says no: a service result in the ResponseHeader, nothing was done (OPC 10000-4, 7.38)."""

from __future__ import annotations


class ServiceFault(Exception):  # noqa: N818 - the standard's word
    """Raised by a service; its code becomes the service result. Operation results are no faults."""

    def __init__(self, code: int) -> None:
        super().__init__(f"0x{code:08X}")
        self.code = int(code)
