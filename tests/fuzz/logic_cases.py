"""One EDD evaluated: what parses and resolves is translated, and every attribute, menu and order asked for."""

from __future__ import annotations

import zlib
from random import Random

from server.core.values import Scalar
from server.fdi.eddl.errors import EddError
from server.fdi.eddl.parser import parse
from server.fdi.eddl.resolve import resolve
from server.fdi.errors import PackageError
from server.fdi.groups import translate_groups
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.parameters import translate_parameters
from server.model.device_type import DataType, ParameterSpec
from tests.fuzz.eddl_cases import LIMITS
from tests.kit.logic import Held

KINDS = ("PRE_WRITE_ACTIONS", "POST_WRITE_ACTIONS", "POST_EDIT_ACTIONS", "POST_READ_ACTIONS", "INIT_ACTIONS")
WHOLE = (0, 1, 2, 3, 5, 127, 255, 65_535, 2**31 - 1, 2**32 - 1, 2**63 - 1)
BROKEN = (0.0, 1.5, -2.5, 1e38, 1e308, float("inf"), float("nan"))
MOST_ASKED = 60  # parameters, menus … of one EDD


def value_for(spec: ParameterSpec, random: Random) -> Scalar:
    """A value of the parameter's type, often at an end of it."""
    kind = spec.data_type
    if kind is DataType.BOOLEAN:
        return bool(random.randrange(2))
    if kind.integer:
        low, high = kind.limits or (0, 1)
        return max(int(low), min(int(high), random.choice(WHOLE) * random.choice((1, -1))))
    if kind in (DataType.FLOAT, DataType.DOUBLE, DataType.DURATION):
        return random.choice(BROKEN)
    if kind is DataType.BYTESTRING:
        return random.randbytes(3)
    if kind is DataType.DATETIME:
        return random.choice((0, 1_700_000_000_000_000, 253_402_300_799_000_000))
    return random.choice(("", "text", "12", "é"))


def logic_of(data: bytes, include: dict[str, bytes] | None = None) -> TypeLogic | None:
    """The logic of a source; None for one that is refused."""

    def included(name: str) -> bytes:
        if include is None or name not in include:
            raise LookupError(name)
        return include[name]

    try:
        model = resolve(parse(data, include=included, limits=LIMITS), limits=LIMITS)
        shown, hidden = translate_parameters(model, part="device.ddl")
        translate_groups(model, shown, {})
        return TypeLogic(model, {**shown, **hidden})
    except (EddError, PackageError):
        return None


def one_logic_case(data: bytes) -> str:
    """Translate and evaluate with no values, and twice with values of the right types; whether it got that far."""
    logic = logic_of(data)
    if logic is None:
        return "refused"
    random = Random(zlib.crc32(data))
    names = list(logic.parameters)[:MOST_ASKED]
    for turn in range(3):
        values = Held({name: value_for(logic.parameters[name], random) for name in names} if turn else {})
        for name in names:
            logic.spec(name, values)
            logic.check(name, value_for(logic.parameters[name], random), values)
            for kind in KINDS:
                try:
                    logic.actions(name, kind, values)
                except EvaluationError:
                    pass
            _relations(logic, name)
        for name in list(logic.model.menus)[:MOST_ASKED]:
            logic.menu(name, values)
        for name in list(logic.model.methods)[:MOST_ASKED]:
            logic.method_valid(name, values)
    logic.download_order()
    logic.upload_order()
    return "evaluated"


def _relations(logic: TypeLogic, name: str) -> None:
    logic.dependents([name])
    logic.dominants(name)
    logic.dependants(name)
    logic.write_together(name)
    logic.read_command(name)
    logic.write_command(name)
