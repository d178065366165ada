"""METHODs that cannot run are refused with the place and the rule, before anything runs."""

from __future__ import annotations

import gc
import weakref

import pytest

from server.fdi.methods.checking import check_methods
from server.fdi.methods.compile import compile_method
from server.fdi.methods.errors import MethodError
from server.fdi.methods.library import library_of
from tests.kit.methods import type_logic

ITEMS = """
VARIABLE count { LABEL "c"; CLASS DEVICE; TYPE INTEGER (4); }
VARIABLE name { LABEL "n"; CLASS DEVICE; TYPE ASCII (8); }
VARIABLE element { LABEL "e"; CLASS DEVICE; TYPE INTEGER (2); }
ARRAY curve { LABEL "k"; TYPE element; NUMBER_OF_ELEMENTS 3; }
COLLECTION OF VARIABLE pair { LABEL "p"; MEMBERS { A, count; } }
MENU page { LABEL "m"; ITEMS { count } }
METHOD other(long a, long &b) { DEFINITION { b = a; } }
METHOD takes(long a[]) { DEFINITION { } }
METHOD nothing { DEFINITION { } }
"""
REFUSED = {
    "undeclared": ("x = 1;", "method-name"),
    "undeclared_value": ("long y = x;", "method-name"),
    "out_of_scope": ("{ long x; } x = 1;", "method-name"),
    "declared_in_a_loop_body": ("while (0) { long x; } x = 1;", "method-name"),
    "declared_twice": ("long x; long x;", "method-name"),
    "no_member": ("long x = pair.B;", "method-name"),
    "no_element": ("long x = curve[3];", "method-name"),
    "no_dictionary_text": ("DD_STRING s = [nothing];", "method-name"),
    "no_attribute": ("long x = count.COLOUR;", "method-name"),
    "unknown_builtin": ("frobnicate(1);", "method-builtin"),
    "call_of_a_member": ("pair.A(1);", "method-call"),
    "too_few_arguments": ("DELAY(1);", "method-arguments"),
    "too_many_arguments": ("strlen(name, 1);", "method-arguments"),
    "method_arguments": ("other(1);", "method-arguments"),
    "no_place": ("other(1, 2);", "method-arguments"),
    "no_array": ("takes(count);", "method-arguments"),
    "wrong_array": ("float a[2]; takes(a);", "method-arguments"),
    "no_menu": ('long s; MenuDisplay(count, "a", &s);', "method-arguments"),
    "no_method": ("add_abort_method(count);", "method-arguments"),
    "no_local": ('GET_LOCAL_VAR_VALUE("p", count);', "method-arguments"),
    "no_ids": ('acknowledge("p", count);', "method-arguments"),
    "no_name": ("long x = MEMBER_ID(Z);", "method-name"),
    "no_item": ("long x = ITEM_ID(5);", "method-arguments"),
    "text_for_number": ('long x = "a";', "method-type"),
    "number_for_text": ("DD_STRING s = 1;", "method-type"),
    "text_for_a_parameter": ('count = "a";', "method-type"),
    "number_for_a_text_parameter": ("name = 1;", "method-type"),
    "text_plus_number": ('DD_STRING s = "a" + 1;', "method-type"),
    "text_minus_text": ('DD_STRING s = "a" - "b";', "method-type"),
    "text_as_condition": ('if ("a") ;', "method-type"),
    "text_incremented": ("DD_STRING s; s++;", "method-type"),
    "remainder_of_decimals": ("double d; d = d % 2.0;", "method-type"),
    "bits_of_decimals": ("double d; d = ~d;", "method-type"),
    "switch_of_decimals": ("double d; switch (d) { }", "method-type"),
    "nothing_as_value": ("long x = nothing();", "method-type"),
    "void_builtin_as_value": ("long x = process_abort();", "method-type"),
    "whole_collection": ("long x = pair;", "method-type"),
    "whole_array": ("long a[2]; long x = a;", "method-type"),
    "array_assigned": ("long a[2]; a = 1;", "method-type"),
    "dimensions": ("long a[2][2]; long x = a[1];", "method-type"),
    "no_array_type": ("long x; x[0] = 1;", "method-type"),
    "no_type": ("widget x;", "method-type"),
    "two_signs": ("unsigned signed x;", "method-type"),
    "no_length": ("long a[];", "method-type"),
    "zero_length": ("long a[0];", "method-type"),
    "too_long": ("long a[2000000];", "method-type"),
    "too_many_values": ("long a[1] = { 1, 2 };", "method-type"),
    "braces_for_a_scalar": ("long a = { 1 };", "method-type"),
    "address_as_value": ("long x, y; x = &y;", "method-type"),
    "ternary_of_two_sorts": ('long x = 1 ? 2 : "a";', "method-type"),
    "variable_length": ("long n; long a[n];", "method-constant"),
    "variable_case": ("long n; switch (n) { case n: ; }", "method-constant"),
    "two_cases": ("switch (1) { case 1: case 0x1: ; }", "method-switch"),
    "two_defaults": ("switch (1) { default: default: ; }", "method-switch"),
    "break_outside": ("break;", "method-jump"),
    "continue_in_switch_only": ("switch (1) { case 1: continue; }", "method-jump"),
    "assignment_to_a_value": ("1 = 2;", "method-target"),
    "assignment_to_an_attribute": ("count.LABEL = name;", "method-target"),
    "increment_of_a_call": ("strlen(name)++;", "method-target"),
    "deep_statements": ("if (1) " * 65 + ";", "method-depth"),
}


@pytest.mark.parametrize(("code", "rule"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_run_is_refused_with_its_place(code: str, rule: str) -> None:
    logic = type_logic(f"{ITEMS}\nMETHOD m {{ DEFINITION {{\n{code}\n}} }}")
    with pytest.raises(MethodError) as error:
        compile_method(logic, "m")
    assert error.value.rule == rule
    assert (error.value.position.file, error.value.position.line) == ("device.ddl", 14)
    # The others of the device type run all the same.
    assert compile_method(logic, "nothing").code


def test_a_long_chain_of_else_if_is_no_nesting() -> None:
    chain = " else ".join(f"if (n == {at}) n = {at + 1};" for at in range(150))
    assert compile_method(type_logic(f"METHOD m {{ DEFINITION {{ long n; {chain} }} }}"), "m").code


def test_a_method_whose_callee_cannot_run_is_refused_too() -> None:
    logic = type_logic("METHOD m { DEFINITION { bad(); } } METHOD bad { DEFINITION { x = 1; } }")
    for name in ("m", "bad", "m"):
        with pytest.raises(MethodError, match="x is not declared"):
            compile_method(logic, name)
    assert [(problem.rule, problem.line) for problem in check_methods(logic)] == [("method-name", 2)]


def test_a_return_needs_the_type_of_the_method() -> None:
    for source in ('METHOD m { TYPE INTEGER; DEFINITION { return "a"; } }', "METHOD m { TYPE PAGE; DEFINITION { } }"):
        with pytest.raises(MethodError):
            compile_method(type_logic(source), "m")


def test_there_is_no_such_method() -> None:
    with pytest.raises(MethodError, match="there is no METHOD q"):
        compile_method(type_logic(ITEMS), "q")


def test_programs_are_made_once_and_leave_with_their_type() -> None:
    logic = type_logic(ITEMS)
    assert compile_method(logic, "nothing") is compile_method(logic, "nothing")
    library = weakref.ref(library_of(logic))
    del logic
    gc.collect()
    assert library() is None


def test_a_method_of_too_many_instructions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.fdi.methods.code.MAX_INSTRUCTIONS", 50)
    with pytest.raises(MethodError) as error:
        compile_method(type_logic("METHOD m { DEFINITION { long x; " + "x++; " * 60 + "} }"), "m")
    assert error.value.rule == "method-size"


def test_the_instructions_of_a_device_type_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.fdi.methods.compile.MAX_ALL_INSTRUCTIONS", 30)
    methods = "".join(f"METHOD m{at} {{ DEFINITION {{ long x; x++; x++; x++; x++; }} }}\n" for at in range(9))
    rules = [problem.rule for problem in check_methods(type_logic(methods))]
    assert 0 < len(rules) < 9
    assert set(rules) == {"method-size"}


def test_programs_written_in_actions_are_checked_too() -> None:
    """Wherever they stand; one that cannot run is refused each time it is wanted."""
    source = """VARIABLE v { LABEL "v"; CLASS DEVICE; TYPE INTEGER (2);
PRE_EDIT_ACTIONS { DEFINITION { x = 1; } }
POST_WRITE_ACTIONS { IF (v == 1) { DEFINITION { isetval(2); } } ELSE { DEFINITION { frobnicate(); } } } }"""
    logic = type_logic(source)
    for _ in range(2):
        found = [(problem.line, problem.rule) for problem in check_methods(logic)]
        assert found == [(3, "method-name"), (4, "method-builtin")]


def test_the_check_lists_every_method_that_cannot_run_and_odd_prompts() -> None:
    source = """METHOD a { DEFINITION { x = 1; } }
METHOD b { DEFINITION { ACKNOWLEDGE("%{nobody}"); } }
METHOD c { DEFINITION { frobnicate(); } }
METHOD d { DEFINITION { long x; ACKNOWLEDGE("%{x} %{0}"); } }"""
    found = [(problem.line, problem.rule) for problem in check_methods(type_logic(source))]
    assert found == [(2, "method-name"), (3, "method-prompt"), (4, "method-builtin")]


def test_expressions_may_be_as_deep_as_the_front_end_takes_them() -> None:
    """Nested brackets, unary operators and long sums end in a program or a MethodError, never in a RecursionError."""
    for code in (
        "(" * 30 + "1" + ")" * 30,
        "- " * 50 + "1",
        "+".join(["1"] * 150),
        "!" * 60 + "0",
        "1 ? " * 20 + "1" + ": 2" * 20,
    ):
        assert compile_method(type_logic(f"METHOD m {{ TYPE INTEGER; DEFINITION {{ return {code}; }} }}"), "m").code
