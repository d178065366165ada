"""Several problems of one METHOD are listed together, without telling one of them twice, and within bounds."""

from __future__ import annotations

import pytest

from server.fdi.methods.checking import check_methods
from server.fdi.methods.compile import MAX_PROBLEMS, compile_method
from server.fdi.methods.errors import MethodError
from tests.kit.methods import type_logic


def texts(body: str) -> list[str]:
    return [problem.text for problem in check_methods(type_logic(f"METHOD m {{ DEFINITION {{ {body} }} }}"))]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("xq = 1; yq = 2;", ["xq is not declared", "yq is not declared"]),
        ("xq = 1; xq = 2; xq = 3;", ["xq is not declared"]),
        ("if (xq) yq = 1; zq = 1;", ["xq is not declared", "zq is not declared"]),
        ("while (1) { xq = 1; } { yq = 2; }", ["xq is not declared", "yq is not declared"]),
        ("while (1) xq = 1; break;", ["xq is not declared", "break stands in no loop"]),
        ("switch (1) { case 1: xq = 1; break; default: yq = 1; }", ["xq is not declared", "yq is not declared"]),
        ("{ long v; xq = 1; } v = 1;", ["xq is not declared", "v is not declared"]),
        # What depends on a declaration that failed would only repeat it.
        ("long v = xq; v = 1; yq = 1;", ["xq is not declared"]),
    ],
)
def test_what_follows_a_wrong_statement_is_looked_at(body: str, told: list[str]) -> None:
    assert texts(body) == told


def test_a_refused_method_tells_all_its_problems_each_time() -> None:
    logic = type_logic("METHOD m { DEFINITION { xq = 1; yq = 2; } }")
    for _ in range(2):
        with pytest.raises(MethodError) as caught:
            compile_method(logic, "m")
        assert [error.reason for error in caught.value.all()] == ["xq is not declared", "yq is not declared"]


def test_the_problems_of_one_method_are_bounded() -> None:
    assert len(texts(" ".join(f"xq{number} = 1;" for number in range(500)))) == MAX_PROBLEMS


def test_a_crossed_limit_ends_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.fdi.methods.code.MAX_INSTRUCTIONS", 20)
    assert len(texts("long x; xq = 1; " + "x++; " * 40 + "yq = 1;")) == 2


def test_the_name_meant_is_told_for_builtins_methods_locals_and_items() -> None:
    source = """VARIABLE pressure { CLASS DEVICE; TYPE FLOAT; }
METHOD calibrate { DEFINITION { } }
METHOD m { DEFINITION { double reading; raeding = 1; pressur = 2; calibrat(); strlenn("a"); } }"""
    found = [problem.text for problem in check_methods(type_logic(source))]
    assert [text.rpartition("did you mean ")[2] for text in found] == ["reading?", "pressure?", "calibrate?", "strlen?"]


def test_guessing_ends_when_it_has_taken_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    # Thousands of wrong names in a hostile EDD must not each be compared with thousands of right ones.
    monkeypatch.setattr("server.fdi.methods.library.MAX_COMPARED", 0)
    assert texts("long reading; raeding = 1;") == ["raeding is not declared"]
