"""What a run holds and reaches: its memory, the host's parameters, LISTs, texts in the user's language."""

from __future__ import annotations

from collections.abc import Sequence

from server.core import status
from server.core.texts import Texts
from server.fdi.eddl.commands import ResponseCode
from server.fdi.logic.errors import EvaluationError
from server.fdi.methods.ctype import CArray, Raw, converter, element_bytes, text_bytes
from server.fdi.methods.errors import AbortError, BudgetError
from server.fdi.methods.host import Host, ValueRefusedError
from server.fdi.methods.library import Library
from server.fdi.methods.limits import MethodLimits
from server.fdi.methods.requests import Request, SendCommand
from server.fdi.methods.variables import from_method, to_method
from server.model.device_type import ParameterSpec

_TEXT_A_STEP = 256  # octets of a new text that one step of the budget pays for


class Workspace:
    """The part of a machine that its instructions and builtins work with."""

    def __init__(self, library: Library, host: Host, limits: MethodLimits, languages: Sequence[str]) -> None:
        self.library = library
        self.host = host
        self.limits = limits
        self.languages = tuple(languages)
        self.lists: dict[str, list[Raw]] = {}  # LISTs as this run filled them
        self.memory = 0  # octets that locals and LISTs take
        self.extra = 0  # steps an instruction took beyond one
        self.logged = 0  # entries written to the log

    # ---- memory

    def new_text(self, text: str) -> str:
        """A text made by the METHOD, with its cost in steps. Raises BudgetError when it is too long."""
        size = text_bytes(text)
        if size > self.limits.string_bytes:
            raise BudgetError("string length")
        self.extra += size // _TEXT_A_STEP
        return text

    def hold_text(self, old: object, new: str) -> None:
        """Count a text that takes the place of another. Raises BudgetError."""
        self.memory += text_bytes(new) - (text_bytes(old) if isinstance(old, str) else 0)
        if self.memory > self.limits.memory_bytes:
            raise BudgetError("memory")

    def hold_elements(self, count: int, is_text: bool) -> None:
        """Count the elements of a new array. Raises BudgetError."""
        self.memory += count * element_bytes(is_text)
        if self.memory > self.limits.memory_bytes:
            raise BudgetError("memory")

    def give_up(self, value: Raw) -> None:
        """An element of a LIST is given up."""
        is_text = isinstance(value, str)
        self.memory -= element_bytes(is_text) + (text_bytes(value) if isinstance(value, str) else 0)

    def drop_array(self, held: object) -> None:
        """An array of the active METHOD is given up."""
        if isinstance(held, CArray):
            self.memory -= len(held.data) * element_bytes(held.ctype.is_text)
            if held.ctype.is_text:
                self.memory -= sum(text_bytes(value) for value in held.data if isinstance(value, str))

    # ---- parameters

    def spec(self, name: str) -> ParameterSpec | None:
        """The specification of a parameter now, else the static one."""
        return self.host.spec(name) or self.library.parameters.get(name)

    def peek(self, name: str) -> Raw | None:
        """The value of a parameter or list element; None while unknown."""
        if "[" in name:
            return self._list_element(name)
        value = self.host.value(name)
        spec = self.library.parameters.get(name)
        if value is None or spec is None:
            return None
        raw = to_method(value, spec)
        return self.new_text(raw) if isinstance(raw, str) else raw

    def read(self, name: str) -> Raw:
        """The value of a parameter. Raises AbortError while it is unknown: a METHOD must not act on a guess."""
        value = self.peek(name)
        if value is None:
            raise AbortError(f"the value of {name} is not known")
        return value

    def try_write(self, name: str, value: Raw) -> status.StatusCode:
        """Assign a parameter or list element; its StatusCode when it is refused."""
        if "[" in name:
            return self._set_list_element(name, value)
        spec = self.library.parameters.get(name)
        if spec is None:
            return status.BAD_NOT_FOUND
        try:
            self.host.assign(name, from_method(value, spec))
        except ValueRefusedError as error:
            return error.status
        return status.GOOD

    def write(self, name: str, value: Raw) -> None:
        """Assign a parameter. Raises AbortError when it is refused."""
        code = self.try_write(name, value)
        if code != status.GOOD:
            raise AbortError(f"{name} does not take {value!r}: {status.name_of(code)}")

    def _list_element(self, name: str) -> Raw | None:
        base, _, index = name.rstrip("]").partition("[")
        held = self.lists.get(base, [])
        at = int(index)
        return held[at] if at < len(held) else None

    def _set_list_element(self, name: str, value: Raw) -> status.StatusCode:
        base, _, index = name.rstrip("]").partition("[")
        held = self.lists.get(base, [])
        at = int(index)
        if at >= len(held):
            return status.BAD_OUT_OF_RANGE
        try:
            new = converter(self.library.list_type(base))(value)
        except EvaluationError:
            return status.BAD_TYPE_MISMATCH
        if isinstance(new, str):
            self.hold_text(held[at], new)
        held[at] = new
        return status.GOOD

    def log(self, priority: int, text: str) -> None:
        """One entry of the log. Raises BudgetError past their number."""
        self.logged += 1
        if self.logged > self.limits.log_entries:
            raise BudgetError("log entries")
        self.host.log(priority, text)

    # ---- texts

    def chosen(self, texts: Texts) -> str:
        """A text in the user's language."""
        return texts.best(self.languages)[1]

    def code_meaning(self, request: Request | None, code: int) -> ResponseCode | None:
        """What a response code of a communication means, None where its COMMAND does not say."""
        if not isinstance(request, SendCommand):
            return None
        command = self.library.command(request.number, request.name)
        return self.library.response_code(command, request.transaction, code)

    def code_text(self, request: Request | None, code: int) -> str:
        """The text of a response code in the user's language, "" where its COMMAND has none."""
        found = self.code_meaning(request, code)
        return self.chosen(Texts(found.text)) if found is not None else ""

    @property
    def language(self) -> str:
        """The language of texts that the METHOD makes itself."""
        return self.languages[0].split("-")[0].lower() if self.languages else "en"
