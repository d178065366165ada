"""METHODs made at random: hostile ones end with a status, integer expressions give what C gives."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.fdi.methods.compile import compile_method
from server.fdi.methods.host import Host
from server.fdi.methods.machine import Machine
from server.fdi.methods.outcome import Failed, Finished
from tests.fuzz.method_cases import one_method_case
from tests.kit.methods import FakeHost, type_logic

QUIET = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@QUIET
@given(st.binary(max_size=300))
def test_any_method_is_refused_or_ends(data: bytes) -> None:
    assert one_method_case(data)


def test_most_cases_run() -> None:
    """Control: cases that never compile would prove nothing."""
    generator = random.Random(20_240_229)
    ends = Counter(one_method_case(generator.randbytes(generator.randrange(4, 120))) for _ in range(300))
    assert sum(ends[name] for name in ("Finished", "Aborted", "Failed")) > 100
    assert min(ends["Finished"], ends["Aborted"], ends["Failed"]) > 5


# ---- integer expressions against a reference that knows nothing of the machine

LOW, HIGH = -(2**31), 2**31 - 1
VALUES: Mapping[str, int] = {"a": 7, "b": -3, "c": HIGH, "d": LOW}


class UndefinedError(Exception):
    """Where C gives no answer and the machine a fault."""


def wrap(value: int) -> int:
    """Two's complement in 32 bits."""
    return (value + 2**31) % 2**32 - 2**31


def quotient(left: int, right: int) -> int:
    if right == 0:
        raise UndefinedError
    return int(abs(left) // abs(right)) * (1 if (left < 0) == (right < 0) else -1)


def shifted(left: int, right: int, act: Callable[[int, int], int]) -> int:
    if not 0 <= right < 32:
        raise UndefinedError
    return act(left, right)


OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": quotient,
    "%": lambda left, right: left - quotient(left, right) * right,
    "&": lambda left, right: left & right,
    "|": lambda left, right: left | right,
    "^": lambda left, right: left ^ right,
    "<<": lambda left, right: shifted(left, right, lambda x, n: x * 2**n),
    ">>": lambda left, right: shifted(left, right, lambda x, n: x // 2**n),
    "<": lambda left, right: int(left < right),
    "<=": lambda left, right: int(left <= right),
    "==": lambda left, right: int(left == right),
    "!=": lambda left, right: int(left != right),
}
# An expression as text, with a function that works it out.
Tree = tuple[str, Callable[[], int]]


def leaf(value: int) -> Tree:
    return str(value), lambda: value


def named(name: str) -> Tree:
    return name, lambda: VALUES[name]


def joined(parts: tuple[Tree, str, Tree]) -> Tree:
    (left, get_left), symbol, (right, get_right) = parts
    return f"({left} {symbol} {right})", lambda: wrap(OPERATIONS[symbol](get_left(), get_right()))


def short_circuit(parts: tuple[Tree, str, Tree]) -> Tree:
    (left, get_left), symbol, (right, get_right) = parts
    if symbol == "&&":
        return f"({left} && {right})", lambda: int(get_left() != 0 and get_right() != 0)
    return f"({left} || {right})", lambda: int(get_left() != 0 or get_right() != 0)


def chosen(parts: tuple[Tree, Tree, Tree]) -> Tree:
    (condition, get), (then, get_then), (otherwise, get_otherwise) = parts
    return f"({condition} ? {then} : {otherwise})", lambda: get_then() if get() else get_otherwise()


def signed(parts: tuple[str, Tree]) -> Tree:
    symbol, (operand, get) = parts
    act: Callable[[int], int] = {"-": lambda x: -x, "~": lambda x: ~x, "!": lambda x: int(not x)}[symbol]
    return f"{symbol}({operand})", lambda: wrap(act(get()))


LEAVES = st.one_of(
    st.integers(0, HIGH).map(leaf), st.integers(0, 40).map(leaf), st.sampled_from(sorted(VALUES)).map(named)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(sorted(OPERATIONS)), inner).map(joined),
        st.tuples(inner, st.sampled_from(("&&", "||")), inner).map(short_circuit),
        st.tuples(inner, inner, inner).map(chosen),
        st.tuples(st.sampled_from(("-", "~", "!")), inner).map(signed),
    ),
    max_leaves=25,
)


@QUIET
@given(TREES)
def test_integer_expressions_give_what_c_gives(tree: Tree) -> None:
    text, work_out = tree
    declared = "long a = 7, b = -3, c = 2147483647, d = -2147483647 - 1;"
    logic = type_logic(f"METHOD m {{ TYPE INTEGER; DEFINITION {{ {declared} return {text}; }} }}")
    host: Host = FakeHost(logic.parameters)
    outcome = Machine(compile_method(logic, "m"), host).run(100_000)
    try:
        expected = work_out()
    except UndefinedError:
        assert isinstance(outcome, Failed)
        return
    assert isinstance(outcome, Finished)
    assert outcome.value == expected
