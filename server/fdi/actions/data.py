"""The data set of one running METHOD: what it assigned over the values of its device, offline data set or context."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from server.core import status
from server.core.clock import Clock
from server.core.values import Scalar
from server.fdi.logic.type_logic import TypeLogic, ValueSource
from server.fdi.methods.host import ValueRefusedError
from server.model.device_type import DataType, ParameterSpec
from server.pipeline.commands import check_value

LOG_ENTRIES = 100
"""LOG_MESSAGE entries of one run that are kept; later ones are counted."""
LOG_CHARACTERS = 500
_BEGINNING: Mapping[DataType, Scalar] = {
    DataType.BOOLEAN: False,
    DataType.FLOAT: 0.0,
    DataType.DOUBLE: 0.0,
    DataType.DURATION: 0.0,
    DataType.STRING: "",
    DataType.BYTESTRING: b"",
}
"""What a METHOD finds in a LOCAL variable without INITIAL_VALUE that nobody has set, as in C's static storage; 0 where
no type is named here. Clients still see that it was never set."""


class MethodData:
    """A `Host` of the METHOD machine and a `ValueSource` of expressions; keeps order of assignment."""

    def __init__(
        self,
        logic: TypeLogic,
        base: ValueSource,
        clock: Clock,
        *,
        offline: bool,
        shown: Mapping[str, Scalar] | None = None,
        languages: Sequence[str] = (),
    ) -> None:
        """Args:
        shown: values that count before those of `base`: the one under processing in a pre or post action.
        languages: the user's, best first: texts that the METHOD puts together are in one of them.
        """
        self._logic = logic
        self._base = base
        self._clock = clock
        self._offline = offline
        self.languages = tuple(languages)
        self.pending: dict[str, Scalar] = {}  # assigned, neither sent nor saved
        self.received: dict[str, Scalar] = dict(shown or {})  # and what came with answers and shows nowhere else
        self.log_entries: list[tuple[int, str]] = []
        self.log_left_out = 0

    @property
    def offline(self) -> bool:
        return self._offline

    def value(self, name: str) -> Scalar | None:
        if name in self.pending:
            return self.pending[name]
        value = self.received[name] if name in self.received else self._base.value(name)
        spec = self._logic.parameters.get(name) if value is None else None
        return _BEGINNING.get(spec.data_type, 0) if spec is not None and spec.local else value

    def spec(self, name: str) -> ParameterSpec | None:
        return self._logic.spec(name, self) if name in self._logic.parameters else None

    def assign(self, name: str, value: Scalar) -> None:
        spec = self.spec(name)
        if spec is None:
            raise ValueRefusedError(status.BAD_NODE_ID_UNKNOWN)
        if spec.data_type.integer and isinstance(value, float) and value.is_integer():
            value = int(value)
        elif not spec.data_type.integer and spec.data_type.numeric and isinstance(value, int):
            value = float(value)
        code = check_value(spec, value)
        if not status.is_good(code):
            raise ValueRefusedError(code)
        self.pending[name] = value

    def log(self, priority: int, text: str) -> None:
        if len(self.log_entries) < LOG_ENTRIES:
            self.log_entries.append((priority, text[:LOG_CHARACTERS]))
        else:
            self.log_left_out += 1

    def now_us(self) -> int:
        return self._clock.now()

    def settled(self, names: Iterable[str]) -> None:
        """These were sent, saved or read anew: what stands below counts again."""
        for name in names:
            self.pending.pop(name, None)

    def answered(self, values: Mapping[str, Scalar]) -> None:
        """A device's answer carried these: its word counts, also where it shows nowhere else."""
        self.settled(values)
        for name, value in values.items():
            spec = self._logic.parameters.get(name)
            if spec is not None and spec.private and status.is_good(check_value(spec, value, ranges=False)):
                self.received[name] = value
