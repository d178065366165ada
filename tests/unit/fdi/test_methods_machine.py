"""The machine's states: aborts and their methods, budgets, hostile METHODs, what is never an exception."""

from __future__ import annotations

import time

import pytest

from server.fdi.eddl.nodes import Position
from server.fdi.methods.compile import compile_block, compile_method
from server.fdi.methods.limits import MethodLimits
from server.fdi.methods.machine import Machine
from server.fdi.methods.outcome import Aborted, Commit, Failed, Finished, Running, Waiting
from server.fdi.methods.requests import Acknowledge, Answer, CommandDone, Delay, Ok, Request, SendCommand
from tests.kit.methods import FakeHost, Run, agreeable, run_code, run_method, type_logic

SLICE_S = 1.0  # 5 ms is the aim on a quiet machine; this only tells a runaway

ABORTS = """
VARIABLE trace { LABEL "t"; CLASS LOCAL; TYPE INTEGER (4); }
METHOD first { DEFINITION { trace = trace * 10 + 1; } }
METHOD second { DEFINITION { trace = trace * 10 + 2; } }
METHOD third { DEFINITION { trace = trace * 10 + 3; } }
METHOD stops { DEFINITION { trace = trace * 10 + 4; process_abort(); trace = 99; } }
METHOD fails { DEFINITION { long z; trace = trace * 10 + 5; z = 1 / z; trace = 99; } }
METHOD asks { DEFINITION { ACKNOWLEDGE("a"); trace = trace * 10 + 6; } }
METHOD endless { DEFINITION { trace = trace * 10 + 7; while (1) ; } }
METHOD adds { DEFINITION { trace = trace * 10 + 8; add_abort_method(first); push_abort_method(adds); } }
METHOD needs(long x) { DEFINITION { trace = 99; } }
METHOD waits { DEFINITION { while (1) DELAY(0, "w"); } }
"""
ORDERS = {
    # Added ones in the order of their list, pushed ones before them, the last first (eddl.md 5.8).
    "added": ("add_abort_method(first); add_abort_method(second);", 12),
    "pushed": ("push_abort_method(first); push_abort_method(second);", 21),
    "both": ("add_abort_method(first); push_abort_method(second); add_abort_method(third);", 213),
    "added_twice_runs_once": ("add_abort_method(first); add_abort_method(first);", 1),
    "removed": ("add_abort_method(first); add_abort_method(second); remove_abort_method(first);", 2),
    "popped": ("push_abort_method(first); push_abort_method(second); pop_abort_method();", 1),
    "all_removed": ("add_abort_method(first); add_abort_method(second); remove_all_abort_methods();", 0),
    "an_abort_inside_ends_only_that_one": ("add_abort_method(stops); add_abort_method(second);", 42),
    "a_fault_inside_ends_only_that_one": ("add_abort_method(fails); add_abort_method(second);", 52),
    "dialogs_inside": ("add_abort_method(asks); add_abort_method(second);", 62),
    "an_endless_one_uses_up_the_time_of_all": ("add_abort_method(endless); add_abort_method(second);", 7),
    "waits_inside_are_bounded": ("add_abort_method(waits); add_abort_method(second);", 0),
    "none_is_added_while_they_run": ("add_abort_method(adds); add_abort_method(second);", 82),
    "by_number": ("add_abort_method(METHODID(third));", 3),
}


@pytest.mark.parametrize(("registered", "trace"), ORDERS.values(), ids=ORDERS.keys())
@pytest.mark.parametrize("end", ["process_abort();", 'method_abort("stop");', "long z; z = 1 / z;", "user"])
def test_abort_methods_run_in_order_whatever_ends_the_method(registered: str, trace: int, end: str) -> None:
    body = f"trace = 0; {registered} " + ('ACKNOWLEDGE("go?");' if end == "user" else end)
    logic = type_logic(f"{ABORTS} METHOD m {{ DEFINITION {{ {body} trace = 99; }} }}")
    machine = Machine(compile_method(logic, "m"), FakeHost(logic.parameters))
    run = Run(logic, FakeHost(logic.parameters), machine)
    host = machine.host
    if end == "user":
        assert isinstance(machine.run(10_000), Waiting)
        machine.user_abort()
    outcome = run.drive(agreeable).outcome
    assert host.value("trace") == trace
    expected = {"process_abort();": Aborted("aborted by the METHOD"), 'method_abort("stop");': Aborted("stop")}
    if end == "user":
        assert outcome == Aborted("aborted by the user")
    elif end in expected:
        assert outcome == expected[end]
    else:
        assert isinstance(outcome, Failed)
        assert outcome.reason == "division by zero"


def test_builtins_of_abort_methods_say_whether_they_could() -> None:
    code = (
        "return add_abort_method(needs) * 1000 + remove_abort_method(first) * 100 + pop_abort_method() * 10"
        " + add_abort_method(first);"
    )
    assert run_code(code, items=ABORTS).value == -1110


def test_a_finished_method_runs_no_abort_methods() -> None:
    run = run_code("trace = 0; add_abort_method(first); return 5;", items=ABORTS)
    assert run.value == 5
    assert run.host.values["trace"] == 0


def test_an_abort_discards_whatever_the_policy_was() -> None:
    logic = type_logic("METHOD m { DEFINITION { send_on_exit(); process_abort(); } }")
    machine = Machine(compile_method(logic, "m"), FakeHost(logic.parameters))
    assert isinstance(machine.run(1000), Aborted)
    assert machine.commit is Commit.DISCARD


def test_a_user_aborts_at_any_time() -> None:
    """Before the first step, between slices, while waiting, during abort methods, after the end."""
    logic = type_logic(ABORTS + "METHOD m { DEFINITION { trace = 0; add_abort_method(asks); while (1) ; } }")
    stopped = Aborted("aborted by the user")
    machine = Machine(compile_method(logic, "m"), FakeHost(logic.parameters))
    machine.user_abort()
    assert machine.run(10) == stopped
    machine = Machine(compile_method(logic, "m"), FakeHost(logic.parameters))
    assert machine.run(50) == Running()
    machine.user_abort()
    assert machine.aborting
    assert isinstance(machine.run(50), Waiting)
    machine.user_abort()  # the abort method that asks is given up
    assert machine.run(10) == stopped
    assert not machine.aborting
    machine.user_abort()
    assert machine.run(10) == stopped


def test_a_waiting_machine_says_so_until_it_is_answered() -> None:
    logic = type_logic('METHOD m { TYPE INTEGER; DEFINITION { ACKNOWLEDGE("a"); return 4; } }')
    machine = Machine(compile_method(logic, "m"), FakeHost(logic.parameters))
    assert machine.run(100) == machine.run(100)
    machine.resume(Ok())
    with pytest.raises(ValueError, match="no answer"):
        machine.resume(Ok())
    assert machine.run(100) == Finished(4, Commit.DISCARD)
    assert machine.run(100) == Finished(4, Commit.DISCARD)
    assert machine.refreshed() is None


def test_an_inline_definition_runs_like_a_method() -> None:
    logic = type_logic(ABORTS)
    block = logic.model.methods["first"].definition
    assert block is not None
    program = compile_block(logic, block)
    assert program is compile_block(logic, block)
    host = FakeHost(logic.parameters, {"trace": 2})
    assert Machine(program, host).run(100) == Finished(None, Commit.DISCARD)
    assert host.values["trace"] == 21


# ---- faults of a METHOD end it with a reason and a place

FAULTS = {
    "division": ("long z; return 1 / z;", "division by zero"),
    "remainder": ("long z; return 1 % z;", "division by zero"),
    "shift": ("long n = 40; return 1 << n;", "shift by 40 bits"),
    "index": ("long a[2]; long i = 2; return a[i];", "a[2] lies outside its 2 elements"),
    "negative_index": ("long a[2]; long i = -1; return a[i];", "a[-1] lies outside its 2 elements"),
    "second_index": ("long a[2][2]; long i = 2; return a[0][i];", "lies outside its 2 elements"),
    "nan_to_whole": ("return NaN_value();", "is no whole number"),
    "too_large_to_whole": ("double d = 1e30; long x = d; return x;", "is no whole number"),
    "no_such_date": ("return Date_to_Year(0);", "is no DATE"),
    "no_such_time": ("return Time_To_Date(-1);", "is no time"),
    "no_such_item": ("return ivar_value(12345);", "is no VARIABLE"),
}


@pytest.mark.parametrize(("code", "reason"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_end_a_method_with_reason_and_place(code: str, reason: str) -> None:
    outcome = run_code(code).outcome
    assert isinstance(outcome, Failed)
    assert reason in outcome.reason
    assert isinstance(outcome.position, Position)
    assert outcome.position.line == 3


def test_arguments_that_do_not_fit_end_a_method_before_it_begins() -> None:
    source = "METHOD m(long a) { DEFINITION { } } METHOD n(long a[]) { DEFINITION { } }"
    assert isinstance(run_method(source, "m", ()).outcome, Failed)
    assert isinstance(run_method(source, "m", (1, 2)).outcome, Failed)
    assert isinstance(run_method(source, "m", ("x",)).outcome, Failed)
    assert isinstance(run_method(source, "n", (1,)).outcome, Failed)
    assert isinstance(run_method(source, "m", (True,)).outcome, Finished)


# ---- hostile METHODs: each ends with its budget's name, in small slices

HOSTILE = {
    "endless_loop": ("while (1) ;", "steps"),
    "endless_for": ("long i; for (;;) i++;", "steps"),
    "endless_recursion": ("return deep(1);", "call depth"),
    "recursion_in_an_argument": ("return twice(twice(1));", "call depth"),
    "string_doubling": ('DD_STRING s = "ab"; while (1) s = s + s;', "string length"),
    "wide_characters_doubling": ('DD_STRING s = "Ж"; while (1) s += s;', "string length"),
    "characters_too_long_for_a_text": (
        "char s[70000]; long i; for (i = 0; i < 69999; i++) s[i] = 65; return strlen(s);",
        "string length",
    ),
    "many_strings": (
        'DD_STRING a[400]; DD_STRING s = "0123456789abcdef"; long i; for (i = 0; i < 10; i++) s = s + s;'
        " for (i = 0; i < 400; i++) a[i] = s;",
        "memory",
    ),
    "huge_array": ("long a[1000000];", "memory"),
    "huge_array_of_dimensions": ("long a[1000][1000];", "memory"),
    "arrays_in_recursion": ("return wide(1);", "memory"),
    "delays": ('long i; for (i = 0; i < 1000000000; i++) DELAY(0, "w");', "requests"),
    "long_delays": ('while (1) DELAY(60, "w");', "seconds"),
    "an_endless_delay": ('double z; DELAY(1.0 / z, "w");', "seconds"),
    "messages": ('while (1) PUT_MESSAGE("m");', "requests"),
    "commands": ("while (1) send_command(1);", "requests"),
    "log_entries": ('while (1) LOG_MESSAGE(1, "x");', "log entries"),
    "abort_methods": ("while (1) push_abort_method(quiet);", "abort methods"),
    "list": ("while (1) ListInsert(l, 0, 1);", "steps"),
    "list_of_texts": (
        'DD_STRING s = "0123456789abcdef"; long i; for (i = 0; i < 10; i++) s += s; while (1) ListInsert(t, 0, s);',
        "memory",
    ),
    "searching": (
        'DD_STRING s = "aaaaaaaaaaaaaaaa"; long i; for (i = 0; i < 11; i++) s += s; while (1) strstr(s, "b");',
        "steps",
    ),
    "prompts": ('DD_STRING s = "%{s}"; long i; for (i = 0; i < 13; i++) s += s; BUILD_MESSAGE(s, s);', "string length"),
    "arrays_in_a_loop": ("while (1) { long a[100000]; a[0] = 1; }", "steps"),
}
HOSTILE_ITEMS = """
VARIABLE v { LABEL "v"; CLASS LOCAL; TYPE INTEGER (4); }
VARIABLE w { LABEL "w"; CLASS LOCAL; TYPE ASCII (20); }
LIST l { TYPE v; } LIST t { TYPE w; }
METHOD quiet { DEFINITION { } }
METHOD deep(long n) { TYPE INTEGER; DEFINITION { return deep(n + 1); } }
METHOD twice(long n) { TYPE INTEGER; DEFINITION { return twice(twice(n)); } }
METHOD wide(long n) { TYPE INTEGER; DEFINITION { long a[20000]; return wide(n + 1); } }
"""


@pytest.mark.parametrize(("code", "budget"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_method_ends_with_the_budget_it_crossed(code: str, budget: str) -> None:
    logic = type_logic(f"{HOSTILE_ITEMS} METHOD m {{ TYPE INTEGER; DEFINITION {{ {code} return 0; }} }}")
    machine = Machine(compile_method(logic, "m"), FakeHost(logic.parameters), limits=MethodLimits(steps=800_000))
    longest = 0.0
    while True:
        started = time.perf_counter()
        outcome = machine.run(machine.limits.slice_steps)
        longest = max(longest, time.perf_counter() - started)
        if isinstance(outcome, Waiting):
            machine.resume(agreeable(outcome.request))
        elif not isinstance(outcome, Running):
            break
    assert isinstance(outcome, Failed)
    assert outcome.reason == f"budget: {budget}"
    assert longest < SLICE_S
    assert machine.memory <= machine.limits.memory_bytes + machine.limits.string_bytes


def test_steps_past_the_budget_are_not_taken() -> None:
    logic = type_logic("METHOD m { DEFINITION { while (1) ; } }")
    machine = Machine(compile_method(logic, "m"), FakeHost(logic.parameters), limits=MethodLimits(steps=5_000))
    for _ in range(2):
        assert machine.run(2_000) == Running()
    assert isinstance(machine.run(2_000), Failed)
    assert machine.steps == 5_000


def test_after_a_budget_is_crossed_abort_methods_still_run() -> None:
    """What an EDD does to leave a device safe must not be lost to an endless loop."""
    logic = type_logic(ABORTS + "METHOD m { DEFINITION { trace = 0; add_abort_method(second); while (1) ; } }")
    host = FakeHost(logic.parameters)
    run = Run(logic, host, Machine(compile_method(logic, "m"), host, limits=MethodLimits(steps=10_000)))
    assert isinstance(run.drive(agreeable).outcome, Failed)
    assert host.values["trace"] == 2


def test_memory_is_given_back() -> None:
    """A METHOD that allocates in a loop, or calls one that does, stays within its budget."""
    source = HOSTILE_ITEMS + (
        'METHOD fill { DEFINITION { char a[10000]; DD_STRING s = "0123456789"; a[0] = 1; s += s; } }'
        "METHOD m { TYPE INTEGER; DEFINITION { long i; for (i = 0; i < 500; i++) { fill(); long b[2000]; b[0] = i; }"
        ' for (i = 0; i < 9; i++) { ListInsert(t, 0, "abc"); ListDeleteElementAt(t, 0); } return i; } }'
    )
    run = run_method(source)
    assert run.value == 9
    assert run.machine.memory == 0


def test_requests_are_counted_in_all() -> None:
    run = run_code('while (1) ACKNOWLEDGE("a");', limits=MethodLimits(requests=3))
    assert [type(request) for request in run.requests] == [Acknowledge] * 3
    assert isinstance(run.outcome, Failed)


def test_a_budget_crossed_by_an_answer_ends_the_method() -> None:
    def answers(request: Request) -> Answer:
        return CommandDone(comm_error=1) if isinstance(request, SendCommand) else Ok()

    code = "RETRY_ON_COMM_ERROR(); SET_NUMBER_OF_RETRIES(9); while (1) send_command(1);"
    run = run_code(code, answers=answers, limits=MethodLimits(requests=12))
    assert isinstance(run.outcome, Failed)
    assert run.outcome.reason == "budget: requests"
    assert len(run.requests) == 12


def test_delays_are_finite_and_never_negative() -> None:
    run = run_code('DELAY(NaN_value(), "a"); DELAY(-5, "b"); return 1;')
    assert [request.seconds for request in run.requests if isinstance(request, Delay)] == [0.0, 0.0]


class BrokenHost(FakeHost):
    def value(self, name: str) -> int | None:
        raise KeyError(name)


def test_a_fault_below_the_machine_ends_the_run_and_nothing_else() -> None:
    """The runner drives METHODs of packages on the server's loop; none of them may break it."""
    logic = type_logic(ABORTS + "METHOD m { DEFINITION { trace = trace + 1; } }")
    outcome = Machine(compile_method(logic, "m"), BrokenHost(logic.parameters)).run(100)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "internal fault: KeyError: 'trace'"
