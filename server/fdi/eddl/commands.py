"""COMMAND and RESPONSE_CODES in the static view."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.fdi.eddl.expressions import Reference
from server.fdi.eddl.texts import NO_TEXT, Described, Texts


@dataclass(frozen=True, slots=True)
class ResponseCode:
    """One response code: `type` is SUCCESS, MISC_WARNING, DATA_ENTRY_ERROR, MODE_ERROR and so on."""

    value: int
    type: str
    text: Texts
    help: Texts = field(default_factory=lambda: NO_TEXT)
    conditional: bool = False  # only in some branch the device selects


@dataclass(frozen=True, slots=True)
class DataItem:
    """One item of a REQUEST or REPLY: a constant octet, or a reference (`target` as written).

    Items with a mask share octets, from the most significant bit down, until a mask holds bit 0.
    """

    target: str | None
    constant: int | None = None
    mask: int | None = None
    info: bool = False  # the value counts for this message only and is not stored
    index: bool = False  # the value selects an array element used later in the message
    conditional: bool = False
    reference: Reference | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class EddTransaction:
    """A TRANSACTION: `response_codes` are its own, else those of its COMMAND."""

    number: int
    request: tuple[DataItem, ...]
    reply: tuple[DataItem, ...]
    response_codes: tuple[ResponseCode, ...] = ()
    actions: tuple[str, ...] = ()  # METHODs of POST_RQSTRECEIVE_ACTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class EddCommand(Described):
    """A COMMAND; the address is `number` (HART, generic) or slot, index and so on as other profiles write it."""

    number: int | None = None
    operation: str | None = None  # READ, WRITE, COMMAND, DATA_EXCHANGE
    transactions: tuple[EddTransaction, ...] = ()
    response_codes: tuple[ResponseCode, ...] = ()
    slot: int | None = None
    subslot: int | None = None
    index: int | None = None
    api: int | None = None
    header: str | None = None
    block: str | None = None
    module: str | None = None
    connection: str | None = None

    def transaction(self, number: int = 0) -> EddTransaction | None:
        """The TRANSACTION of that number; the only one answers to any."""
        if len(self.transactions) == 1:
            return self.transactions[0]
        return next((each for each in self.transactions if each.number == number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EddResponseCodes(Described):
    """A shared table of response codes."""

    codes: tuple[ResponseCode, ...] = ()
