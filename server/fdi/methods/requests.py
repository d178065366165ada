"""What a METHOD asks of the world and what it is answered; prompts are finished texts, one for each language written.

Each request names the answers it takes. Cancelled answers any dialog or wait: the user gives up, the METHOD aborts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from server.core.texts import Texts
from server.core.values import Scalar

_NO_VALUES: Mapping[str, Scalar] = MappingProxyType({})

# ---- requests


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """A message that waits until the user has read it. Answer: Ok."""

    prompt: Texts


@dataclass(frozen=True, slots=True)
class Inform:
    """A message that nobody waits for. Answer: Ok, at once."""

    prompt: Texts


@dataclass(frozen=True, slots=True)
class Delay:
    """A wait. Answer: Ok, after `seconds` (0 or more, finite)."""

    seconds: float
    prompt: Texts


@dataclass(frozen=True, slots=True)
class InputParameter:
    """The user edits a parameter. Answer: Value; the machine assigns it."""

    prompt: Texts
    parameter: str


@dataclass(frozen=True, slots=True)
class InputLocal:
    """The user edits a local variable of a C type, such as "long" or "DD_STRING". Answer: Value."""

    prompt: Texts
    name: str
    ctype: str
    initial: Scalar


@dataclass(frozen=True, slots=True)
class Select:
    """The user chooses one of the options. Answer: Choice."""

    prompt: Texts
    options: tuple[Texts, ...]


@dataclass(frozen=True, slots=True)
class ShowMenu:
    """A MENU with buttons under it. Answer: Choice of a button."""

    menu: str
    buttons: tuple[Texts, ...]


@dataclass(frozen=True, slots=True)
class Display:
    """A message whose values go on changing until the user has read it. Answer: Ok.

    `names` are the parameters in the prompt; `Machine.refreshed()` gives the request with their present values.
    """

    prompt: Texts
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SendCommand:
    """A COMMAND goes to the device. Answer: CommandDone. `name` is the COMMAND's where the METHOD named it so."""

    number: int | None
    transaction: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class ReadValue:
    """A parameter is read from the device; the host shows the new value. Answer: CommandDone."""

    name: str


@dataclass(frozen=True, slots=True)
class SendValue:
    """The value assigned to one parameter goes to the device. Answer: CommandDone."""

    name: str


@dataclass(frozen=True, slots=True)
class SendAll:
    """All assigned values go to the device. Answer: CommandDone."""


@dataclass(frozen=True, slots=True)
class SaveValues:
    """All assigned values are kept in the host now. Answer: CommandDone."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A step of a block transfer, by builtin name. Answer: CommandDone, or Cancelled by a host without transfers."""

    operation: str
    arguments: tuple[Scalar, ...]


# ---- answers


@dataclass(frozen=True, slots=True)
class Ok:
    """Read, waited, shown."""


@dataclass(frozen=True, slots=True)
class Value:
    """What the user entered."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user chose, from 0."""

    index: int


@dataclass(frozen=True, slots=True)
class CommandDone:
    """How a communication went.

    `code` is the response code, `status` the device status octet. `comm_error` other than 0 says that no answer came,
    `no_device` that there is no connection at all. `values` is what the reply carried; the host already shows it.
    """

    code: int = 0
    status: int = 0
    values: Mapping[str, Scalar] = field(default_factory=lambda: _NO_VALUES)
    comm_error: int = 0
    no_device: bool = False
    more: bytes = b""  # additional device status octets (get_more_status, ext_send_command)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The user gave up, or the host cannot do it (Transfer)."""


Dialog: TypeAlias = Acknowledge | Inform | InputParameter | InputLocal | Select | ShowMenu | Display
"""What needs a user; a METHOD that runs without one is aborted there (Inform may be dropped instead)."""
Communication: TypeAlias = SendCommand | ReadValue | SendValue | SendAll | SaveValues | Transfer
Request: TypeAlias = Dialog | Delay | Communication
Answer: TypeAlias = Ok | Value | Choice | CommandDone | Cancelled
