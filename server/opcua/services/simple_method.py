"""Methods that only compute: numbers in, numbers out, at once and without any effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asyncua import ua

from server.opcua.datavalues import stack_status
from server.opcua.nodes.keys import Key
from server.opcua.services.context import Request

Number = bool | int | float


@dataclass(frozen=True, slots=True)
class SimpleMethod:
    """A method of Booleans and numbers (built-in types 1 to 11). `function` gives one value per output.

    The function is pure and takes every value of its types. It is a MethodHandler, and plans may call it too.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    function: Callable[..., tuple[Number, ...]]

    def __call__(
        self, request: Request, object_key: Key, method_key: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        """One call with checked arguments."""
        results = self.function(*(argument.Value for argument in arguments))
        return ua.CallMethodResult(
            StatusCode=stack_status(0),
            OutputArguments=[
                ua.Variant(value, ua.VariantType(kind)) for kind, value in zip(self.outputs, results, strict=True)
            ],
        )
