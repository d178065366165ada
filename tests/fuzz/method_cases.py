"""One hostile METHOD from any bytes: it is refused while compiling, or ends within its budgets; nothing else happens.

The bytes choose pieces of a small grammar, so that most cases compile and run; some pieces are wrong on purpose.
"""

from __future__ import annotations

from server.fdi.eddl.errors import EddError
from server.fdi.errors import PackageError
from server.fdi.logic.numbers import Kind
from server.fdi.methods.builtins.all import BUILTINS
from server.fdi.methods.builtins.table import Arg, Builtin
from server.fdi.methods.checking import check_methods
from server.fdi.methods.compile import compile_method
from server.fdi.methods.errors import MethodError
from server.fdi.methods.host import ActionValue
from server.fdi.methods.limits import MethodLimits
from server.fdi.methods.machine import INTERNAL, Machine
from server.fdi.methods.outcome import Aborted, Failed, Finished, Running, Waiting
from server.fdi.methods.requests import (
    Answer,
    Cancelled,
    Choice,
    CommandDone,
    InputLocal,
    InputParameter,
    Request,
    Select,
    ShowMenu,
    Transfer,
    Value,
)
from tests.kit.methods import FakeHost, agreeable, type_logic

DONE = (CommandDone(), CommandDone(code=3), CommandDone(comm_error=0x81), CommandDone(more=b"\x01\x02"))
LIMITS = MethodLimits(steps=20_000, abort_steps=2_000, memory_bytes=200_000, string_bytes=4_000, requests=200)
ITEMS = """
VARIABLE v { LABEL "|en|V|de|W"; CLASS DEVICE; TYPE INTEGER (4); }
VARIABLE f { LABEL "F"; CLASS DEVICE; TYPE FLOAT { MIN_VALUE -9.0; MAX_VALUE 9.0; } }
VARIABLE t { LABEL "T"; CLASS DEVICE; TYPE ASCII (9); }
VARIABLE e { LABEL "E"; CLASS DEVICE; TYPE ENUMERATED (1) { { 0, "a" }, { 1, "b" } } }
VARIABLE d { LABEL "D"; CLASS DEVICE; TYPE DATE; }
VARIABLE p { LABEL "P"; CLASS DEVICE; TYPE INTEGER (2); }
ARRAY a { LABEL "A"; TYPE p; NUMBER_OF_ELEMENTS 3; }
ARRAY OF VARIABLE r { ELEMENTS { 1, v; 2, f; } }
COLLECTION OF VARIABLE c { LABEL "C"; MEMBERS { M, v; N, a[1]; } }
LIST l { TYPE p; CAPACITY 5; }
MENU u { LABEL "U"; ITEMS { v } }
COMMAND k { NUMBER 1; OPERATION COMMAND; TRANSACTION { REQUEST { } REPLY { } } RESPONSE_CODES { 3, MODE_ERROR, "no"; } }
METHOD q { DEFINITION { v = v + 1; ACKNOWLEDGE("q"); } }
METHOD o(long x, long &y) { TYPE INTEGER; DEFINITION { y = (y & 3) + x; y++; return x > 20 ? x : o(x + 1, y); } }
"""
NAMES = tuple(sorted(BUILTINS))
COUNTING = tuple(name for name in NAMES if isinstance(BUILTINS[name].gives, Kind))
NUMBERS = (
    "0",
    "1",
    "-1",
    "7",
    "2147483647",
    "4294967295u",
    "9223372036854775807",
    "0.5",
    "1e300",
    "i",
    "n",
    "x",
    "v",
    "f",
)
NUMBERS_MORE = (
    "z[1]",
    "a[i]",
    "r[n]",
    "c.N",
    "l[0]",
    "e",
    "d",
    "f.MAX_VALUE",
    "l.COUNT",
    "TRUE",
    "'c'",
    "s[i]",
    "g[0][1]",
)
TEXTS = (
    '"ab"',
    '"|en|x;y|de|z"',
    '"%{i} %[5.2f]{f} %{0} %[L]{v}"',
    "w",
    "s",
    "t",
    "w + w",
    "strmid(w, 1, 2)",
    '"%[999d]{n}"',
)
PLACES = ("i", "n", "x", "z[0]", "z[i]", "v", "f", "a[n]", "c.M", "r[i]", "l[0]", "s[0]", "g[1][i]", "d")
TEXT_PLACES = ("w", "s", "t")
WHOLE_ONLY = frozenset({"%", "<<", ">>", "&", "|", "^"})
UNARY = ("-", "~", "!", "(char)", "(unsigned long)", "(float)")
BINARY = ("+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^", "&&", "||", "==", "<", ">=", "!=")
LOCALS = """long i; char n; double x; DD_STRING w; long z[4]; char s[6]; short g[2][2];
unsigned long ids[2] = { 1, 2 }; w = "q"; """
_EASY = {
    Arg.METHOD: "q",
    Arg.MENU: "u",
    Arg.COMMAND: "k",
    Arg.LIST: "l",
    Arg.MEMBER: "MEMBER_ID(M)",
    Arg.IDS: "ids",
    Arg.LOCAL: "w",
    Arg.DICTIONARY: "1",
}


class Choices:
    """The bytes of a case, one decision each; zeros when they run out."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, count: int) -> int:
        value = self._data[self._at] if self._at < len(self._data) else 0
        self._at += 1
        return value % count

    def of(self, options: tuple[str, ...]) -> str:
        return options[self.below(len(options))]

    @property
    def left(self) -> bool:
        return self._at < len(self._data)


def _number(choices: Choices, depth: int) -> str:
    sort = choices.below(8) if depth < 5 and choices.left else 0
    match sort:
        case 1 | 2:
            symbol = choices.of(BINARY)
            cast = "(long) " if symbol in WHOLE_ONLY and choices.below(16) else ""
            return f"({cast}{_number(choices, depth + 1)} {symbol} {cast}{_number(choices, depth + 1)})"
        case 3:
            return f"{choices.of(UNARY)} (long) ({_number(choices, depth + 1)})"
        case 4:
            condition, first, second = (_number(choices, depth + 1) for _ in range(3))
            return f"({condition} ? {first} : {second})"
        case 5:
            return _call(choices, depth + 1, COUNTING)
        case 6:
            operator = choices.of(("=", "+=", "-=", "*=", "/="))
            return f"({choices.of(PLACES)} {operator} {_number(choices, depth + 1)})"
        case 7:
            return choices.of(NUMBERS_MORE)
    return choices.of(NUMBERS)


def _argument(choices: Choices, form: Arg, depth: int) -> str:
    if choices.below(16) == 15:
        return _number(choices, depth)  # as likely as not of the wrong sort
    if form in _EASY:
        return _EASY[form]
    if form in (Arg.TEXT, Arg.PROMPT):
        return choices.of(TEXTS)
    if form is Arg.ITEM:
        return choices.of(("v", "f", "t", "a[1]", "c", "ITEM_ID(a)", "7", "e", "l[0]"))
    if form is Arg.OUT:
        return choices.of(("&i", "w", "s", "z", "&x", "0", "v", "g[0][0]"))
    return _number(choices, depth)


def _call(choices: Choices, depth: int, names: tuple[str, ...] = NAMES) -> str:
    name = names[(choices.below(256) * 256 + choices.below(256)) % len(names)]
    found: Builtin = BUILTINS[name]
    count = found.least + choices.below(found.most - found.least + 1)
    return f"{name}({', '.join(_argument(choices, form, depth) for form in found.takes[:count])})"


def _statement(choices: Choices, depth: int) -> str:
    match choices.below(12) if depth < 4 else 0:
        case 1:
            then, otherwise = _statement(choices, depth + 1), _statement(choices, depth + 1)
            return f"if ({_number(choices, 2)}) {{ {then} }} else {otherwise}"
        case 2:
            return f"while ({_number(choices, 2)}) {{ {_statement(choices, depth + 1)} }}"
        case 3:
            return f"for (i = 0; i < {choices.of(NUMBERS)}; i++) {_statement(choices, depth + 1)}"
        case 4:
            first, last = _statement(choices, depth + 1), _statement(choices, depth + 1)
            return f"switch (i) {{ case 1: {first} break; default: {last} }}"
        case 5:
            body, jump = _statement(choices, depth + 1), choices.of(("break;", "continue;", ""))
            return f"do {{ {body} {jump} }} while (i++ < 3);"
        case 6:
            return f"{choices.of(TEXT_PLACES)} = {choices.of(TEXTS)} + {choices.of(TEXTS)};"
        case 7:
            return f"{choices.of(PLACES)}{choices.of(('++', '--'))};"
        case 8 | 9:
            return f"{_call(choices, 1)};"
        case 10:
            return f"z[0] = o({_number(choices, 2)}, {choices.of(PLACES)});"
        case 11:
            return choices.of(
                ("return;", "process_abort();", "add_abort_method(q);", "push_abort_method(q);", "w += w;")
            )
    return f"{choices.of(PLACES)} = {_number(choices, 1)};"


def source_of(data: bytes) -> str:
    """The METHOD `m` that the bytes choose."""
    choices = Choices(data)
    statements = [_statement(choices, 0)]
    while choices.left and len(statements) < 40:
        statements.append(_statement(choices, 0))
    return f"METHOD m {{ DEFINITION {{ {LOCALS} {' '.join(statements)} }} }}"


def answer_to(request: Request, turn: int) -> Answer:
    """A fit answer, or now and then another or none."""
    if turn % 13 == 12:
        return Cancelled()
    if isinstance(request, InputParameter | InputLocal):
        return Value((5, "text", -1.5, b"x", True)[turn % 5])
    if isinstance(request, Select):
        return Choice(turn % (len(request.options) + 1))
    if isinstance(request, ShowMenu):
        return Choice(0)
    found = agreeable(request)
    if isinstance(found, CommandDone) and not isinstance(request, Transfer):
        return DONE[turn % len(DONE)]
    return found


def one_method_case(data: bytes) -> str:
    """Compile and run one case; how it ended. Raises AssertionError, or whatever is a fault of the machine."""
    try:
        logic = type_logic(ITEMS + source_of(data))
    except (EddError, PackageError):
        return "refused by the front end"
    try:
        program = compile_method(logic, "m")
    except MethodError as error:
        assert check_methods(logic)
        return error.rule
    values = {"v": 3, "f": 1.5, "t": "abc", "e": 1, "d": 1_000_000_000_000, "a_0": 1, "a_1": 2, "a_2": 3}
    host = FakeHost(logic.parameters, dict(values))
    machine = Machine(program, host, limits=LIMITS, languages=("de",), this=ActionValue("v", 3))
    for turn in range(5_000):
        outcome = machine.run(1_000)
        assert machine.memory <= LIMITS.memory_bytes + LIMITS.string_bytes
        if isinstance(outcome, Waiting):
            machine.refreshed()
            machine.resume(answer_to(outcome.request, turn))
        elif not isinstance(outcome, Running):
            assert isinstance(outcome, Finished | Aborted | Failed)
            assert not (isinstance(outcome, Failed) and outcome.reason.startswith(INTERNAL)), outcome
            return type(outcome).__name__
        if turn == 3_000:
            machine.user_abort()
    raise AssertionError("a METHOD that does not end")
