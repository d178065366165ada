"""Who depends on whom, and that nothing else is evaluated."""

from __future__ import annotations

from tests.kit.logic import held, logic

EDD = """
VARIABLE a { TYPE INTEGER; }
VARIABLE b { TYPE INTEGER; }
VARIABLE e { TYPE INTEGER; }
ARRAY curve { LABEL "C"; TYPE e; NUMBER_OF_ELEMENTS 3; }
ARRAY OF VARIABLE refs { ELEMENTS { 0, a; 1, b; } }
VARIABLE low { TYPE FLOAT { MAX_VALUE a; } }
VARIABLE middle { TYPE FLOAT { MAX_VALUE low.MAX_VALUE + 1; } }
VARIABLE high { TYPE FLOAT { MAX_VALUE middle.MAX_VALUE * 2; } }
VARIABLE pick { TYPE FLOAT { MAX_VALUE curve[b]; } }
VARIABLE chosen { TYPE FLOAT { MAX_VALUE refs[curve[0]]; } }
VARIABLE limit { TYPE FLOAT { MAX_VALUE refs[b].MAX_VALUE; } }
VARIABLE code { TYPE ENUMERATED { { 1, "A" }, IF (b) { { 2, "V" } } } }
VARIABLE amount { TYPE FLOAT; }
VARIABLE plain { TYPE FLOAT { MAX_VALUE 4; } }
VARIABLE gone { TYPE FLOAT; VALIDITY a; }
UNIT u { code : amount }
METHOD m { LABEL "M"; VALIDITY b; DEFINITION { return; } }
MENU shown { LABEL "S"; ITEMS { plain, IF (a) { amount } } }
MENU holds { LABEL "H"; ITEMS { gone, m } }
MENU still { LABEL "T"; ITEMS { plain } }
"""


def test_dependents_go_through_attributes_arrays_and_units() -> None:
    found = logic(EDD)
    assert found.dependents(["a"]) == {
        "low", "middle", "high", "chosen", "gone", "menu:shown", "menu:holds",
    }  # fmt: skip
    assert found.dependents(["b"]) == {"pick", "chosen", "limit", "code", "amount", "method:m", "menu:holds"}
    assert found.dependents(["curve_0"]) == {"pick", "chosen"}
    assert found.dependents(["curve_2"]) == {"pick"}
    assert found.dependents(["code"]) == {"amount"}
    assert found.dependents(["plain", "amount", "no such name"]) == frozenset()
    assert found.watched == {"a", "b", "curve_0", "curve_1", "curve_2", "code"}


def test_only_what_depends_is_evaluated() -> None:
    found = logic(EDD)
    names = found.dependents(["code"])
    specs = found.specs(names, held(code=1))
    assert set(specs) == {"amount"}
    assert found.evaluations == 1
    found.specs(found.dependents(["a"]), held(a=3))
    assert found.evaluations == 1 + 5  # low, middle, high, chosen, gone; menus and methods are no parameters


def test_a_chain_of_attributes_gives_the_right_values() -> None:
    found = logic(EDD)
    assert found.spec("high", held(a=4)).ranges[0][1] == 10.0  # (4 + 1) * 2


def test_a_circle_is_followed_once_and_stays_with_its_static_choice() -> None:
    found = logic(
        """VARIABLE x { TYPE FLOAT { MAX_VALUE y.MAX_VALUE + s; } }
        VARIABLE y { TYPE FLOAT { MAX_VALUE x.MAX_VALUE; } }
        VARIABLE s { TYPE INTEGER; }"""
    )
    assert found.dependents(["s"]) == {"x", "y"}
    assert found.spec("x", held(s=1)) is found.parameters["x"]


def test_memory_of_a_long_chain_grows_with_its_length() -> None:
    # 1 000 variables, each bound to the next: half a million pairs if every path were written down.
    count = 1_000
    body = "".join(f"VARIABLE v{n} {{ TYPE FLOAT {{ MAX_VALUE v{n + 1}.MAX_VALUE; }} }}" for n in range(count))
    found = logic(body + f"VARIABLE v{count} {{ TYPE FLOAT {{ MAX_VALUE s; }} }} VARIABLE s {{ TYPE INTEGER; }}")
    assert len(found.dependents(["s"])) == count + 1
    edges = sum(len(above) for above in found._dependencies._edges.values())
    assert edges == count + 1


def test_indexes_into_one_long_array_share_what_they_choose_from() -> None:
    # 500 expressions over 1 000 elements: each would name them all.
    body = "VARIABLE i { TYPE INTEGER; } VARIABLE e { TYPE FLOAT; } ARRAY a { TYPE e; NUMBER_OF_ELEMENTS 1000; }"
    body += "".join(f"VARIABLE v{n} {{ TYPE FLOAT {{ MAX_VALUE a[i + {n}]; }} }}" for n in range(500))
    found = logic(body)
    assert len(found.dependents(["a_7"])) == 500
    edges = sum(len(above) for above in found._dependencies._edges.values())
    assert edges < 3_000


RELATIONS = """
VARIABLE a { TYPE FLOAT; } VARIABLE b { TYPE FLOAT; } VARIABLE c { TYPE FLOAT; } VARIABLE d { TYPE FLOAT; }
VARIABLE t { TYPE ASCII (4); } VARIABLE l { CLASS LOCAL; TYPE FLOAT; } VARIABLE r { HANDLING READ; TYPE FLOAT; }
COLLECTION OF VARIABLE both { MEMBERS { ONE, a; TWO, b; } }
UNIT unit { t : a, l }
REFRESH refresh { d : both }
WRITE_AS_ONE first { a, b }
WRITE_AS_ONE second { b, c }
"""


def test_relations_by_parameter() -> None:
    # eddl.md 5.4
    found = logic(RELATIONS)
    assert found.unit_dependents("t") == {"a", "l"}
    assert found.refresh_dependents("d") == {"a", "b"}
    assert found.refresh_dependents("t") == frozenset()
    assert found.dominants("a") == {"t", "d"}
    assert found.dependants("d") == {"a", "b"}
    assert found.write_together("b") == ("a", "b", "c")
    assert found.write_together("c") == ("b", "c")
    assert found.write_together("t") == ()


def test_transfer_puts_dominants_before_what_they_dominate() -> None:
    # LOCAL and read-only parameters are not sent; `d` and `t` come before `a` and `b`, the rest keeps its order.
    assert logic(RELATIONS).download_order() == ("d", "t", "a", "b", "c")
    assert logic(RELATIONS).upload_order() == ("a", "b", "c", "d", "t", "r")


def test_transfer_follows_the_menu_of_the_edd() -> None:
    menus = """
    MENU download_to_device_root_menu { LABEL "D"; ITEMS { c, inner, r, a } }
    MENU inner { LABEL "I"; ITEMS { both, download_to_device_root_menu } }
    MENU upload_variables { LABEL "U"; ITEMS { r, both } }
    """
    found = logic(RELATIONS + menus)
    assert found.download_order() == ("c", "a", "b")
    assert found.upload_order() == ("r", "a", "b")


def test_a_circle_of_relations_has_an_order_all_the_same() -> None:
    body = "VARIABLE a { TYPE FLOAT; } VARIABLE b { TYPE FLOAT; } REFRESH r { a : b } REFRESH q { b : a }"
    assert sorted(logic(body).download_order()) == ["a", "b"]
