"""What a METHOD wants done about the outcome of a communication: go on, repeat it, or abort (ABORT_ON_… and others)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from server.fdi.methods.requests import CommandDone


class Reaction(Enum):
    """IGNORE leaves the return code to the METHOD, which is also what FOUNDATION's fail_on_… does."""

    IGNORE = "ignore"
    RETRY = "retry"
    ABORT = "abort"


_STRENGTH = {Reaction.IGNORE: 0, Reaction.RETRY: 1, Reaction.ABORT: 2}


@dataclass(slots=True)
class Reactions:
    """All start as IGNORE: a METHOD aborts on a status only when it says so (eddl.md, 5.8)."""

    no_device: Reaction = Reaction.IGNORE
    comm_error: Reaction = Reaction.IGNORE
    data: Reaction = Reaction.IGNORE
    data_bits: dict[tuple[int, int], Reaction] = field(default_factory=dict)  # by octet and bit of what came along
    retries: int = 0
    comm_status: dict[int, Reaction] = field(default_factory=dict)  # by bit
    device_status: dict[int, Reaction] = field(default_factory=dict)  # by bit
    response_code: dict[int, Reaction] = field(default_factory=dict)  # by code
    all_response_codes: Reaction = Reaction.IGNORE

    def set_bits(self, table: dict[int, Reaction], mask: int, reaction: Reaction) -> None:
        """The reaction to every bit of the mask."""
        for bit in range(8):
            if mask >> bit & 1:
                table[bit] = reaction

    def set_all_response_codes(self, reaction: Reaction) -> None:
        """The reaction to every code but 0, single ones included."""
        self.response_code.clear()
        self.all_response_codes = reaction

    def set_data(self, octet: int, bit: int, reaction: Reaction) -> None:
        """The reaction to one bit, of those that 256 octets can hold."""
        self.data_bits[octet & 0xFF, bit & 7] = reaction

    def set_all_data(self, reaction: Reaction) -> None:
        """The reaction to any additional data, single bits included."""
        self.data_bits.clear()
        self.data = reaction

    def set_code(self, code: int, reaction: Reaction) -> None:
        """The reaction to one code, of the 256 an octet can hold."""
        self.response_code[code & 0xFF] = reaction

    def to(self, done: CommandDone) -> Reaction:
        """The strongest reaction that anything in the outcome calls for."""
        found = [Reaction.IGNORE]
        if done.no_device:
            found.append(self.no_device)
        if done.comm_error:
            found.append(self.comm_error)
            found.extend(reaction for bit, reaction in self.comm_status.items() if done.comm_error >> bit & 1)
        if not done.no_device and not done.comm_error:
            if done.code:
                found.append(self.response_code.get(done.code, self.all_response_codes))
            found.extend(reaction for bit, reaction in self.device_status.items() if done.status >> bit & 1)
            if done.more:
                found.append(self.data)
            found.extend(
                reaction
                for (octet, bit), reaction in self.data_bits.items()
                if octet < len(done.more) and done.more[octet] >> bit & 1
            )
        return max(found, key=_STRENGTH.__getitem__)
