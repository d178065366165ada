"""IMPORT takes what it names, changes it as REDEFINITIONS say, and never hangs (eddl.md section 2)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from server.fdi.eddl.errors import EddError, Problem
from server.fdi.eddl.imports import Identification, ImportProvider
from server.fdi.eddl.limits import DEFAULT_LIMITS, EddLimits
from server.fdi.eddl.model import EddModel, Member
from server.fdi.eddl.nodes import Construct, Edd
from server.fdi.eddl.parser import parse
from server.fdi.eddl.resolve import resolve
from tests.kit.edd import HEADER

BASE = """
VARIABLE flow { LABEL "Flow"; HELP "old"; CLASS DEVICE; TYPE FLOAT { MIN_VALUE 0; MAX_VALUE 10; } }
VARIABLE mode { LABEL [text_mode];
  TYPE ENUMERATED { DEFAULT_VALUE 1; { 0, "off" } { 1, "on" } IF (flow) { { 2, "auto" } } } }
COLLECTION pair { MEMBERS { A, flow, "first"; B, mode; } }
MENU top { ITEMS { flow, mode } }
UNIT units { mode : flow }
AXIS scale { MIN_VALUE 0; }
METHOD go { DEFINITION { } }
COMMAND read { NUMBER 1; OPERATION READ;
  TRANSACTION 0 { REQUEST { } REPLY { flow } }
  TRANSACTION 1 { REQUEST { 1 } REPLY { mode } RESPONSE_CODES { 0, SUCCESS, "OK"; } } }
"""
FROM = "IMPORT MANUFACTURER 9, DEVICE_TYPE 8, DEVICE_REVISION 1, DD_REVISION 1 "


def _provider(**bodies: str) -> ImportProvider:
    """EDDs by device type (`t8=…`), each in a file of its own."""

    def give(wanted: Identification) -> Edd:
        key = f"t{wanted.device_type}" if wanted.standard is None else str(wanted.standard)
        return parse(HEADER + bodies[key], file=key + ".ddl", dictionary={"text_mode": {"en": "Mode"}})

    return give


def _model(body: str, limits: EddLimits = DEFAULT_LIMITS, **bodies: str) -> EddModel:
    return resolve(parse(HEADER + body), imports=_provider(**{"t8": BASE, **bodies}), limits=limits)


def _problems(body: str, limits: EddLimits = DEFAULT_LIMITS, **bodies: str) -> tuple[Problem, ...]:
    with pytest.raises(EddError) as caught:
        _model(body, limits, **bodies)
    return caught.value.problems


def _construct(model: EddModel, name: str) -> Construct:
    found = model.constructs[name]
    assert isinstance(found, Construct)
    return found


def test_everything_comes_with_its_texts_and_places() -> None:
    model = _model(FROM + "{ EVERYTHING; }")
    assert list(model.constructs) == ["flow", "mode", "pair", "top", "units", "scale", "go", "read"]
    assert model.variables["mode"].label == {"en": "Mode"}  # from the dictionary of the imported EDD
    assert model.variables["flow"].position is not None
    assert model.variables["flow"].position.file == "t8.ddl"


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        ("VARIABLES;", ["flow", "mode"]),
        ("VARIABLES; AXES;", ["flow", "mode", "scale"]),
        ("METHODS;", ["go"]),
        ("VARIABLES; RELATIONS;", ["flow", "mode", "units"]),
        ("VARIABLES; UNITS; COLLECTIONS;", ["flow", "mode", "pair", "units"]),
        ("VARIABLE flow;", ["flow"]),
        ("VARIABLE flow; VARIABLE mode; MENU top;", ["flow", "mode", "top"]),
        ("", []),
    ],
)
def test_kinds_and_single_items_are_taken(selection: str, names: list[str]) -> None:
    assert list(_model(FROM + "{ " + selection + " }").constructs) == names


def test_the_own_declarations_follow_and_may_refer_to_what_was_imported() -> None:
    model = _model(FROM + '{ VARIABLES; } MENU own { ITEMS { flow } } near LIKE VARIABLE flow { REDEFINE LABEL "N"; }')
    assert list(model.constructs) == ["flow", "mode", "own", "near"]
    assert (model.variables["near"].label, model.variables["near"].help) == ({"en": "N"}, {"en": "old"})


def test_redefinitions_change_items_attributes_enumerators_and_members() -> None:
    model = _model(
        FROM
        + """{ EVERYTHING; REDEFINITIONS {
            VARIABLE flow { REDEFINE LABEL "New"; DELETE HELP; ADD CONSTANT_UNIT "l";
                TYPE FLOAT { REDEFINE MAX_VALUE 20; } }
            VARIABLE mode { TYPE ENUMERATED { DELETE 0; ADD { 7, "seven" } REDEFINE { 1, "running" } } }
            COLLECTION pair { MEMBERS { DELETE A; REDEFINE B, flow, "b"; ADD C, mode; } }
            COMMAND read { REDEFINE NUMBER 2; TRANSACTION 1 { DELETE RESPONSE_CODES; } }
            REDEFINE AXIS scale { MAX_VALUE 5; }
            ADD VARIABLE extra { TYPE DATE; }
            twin LIKE VARIABLE mode { }
            DELETE METHOD go;
        } }"""
    )
    flow, mode = model.variables["flow"], model.variables["mode"]
    assert (flow.label, flow.help, flow.constant_unit, flow.ranges) == ({"en": "New"}, {}, {"en": "l"}, ((0, 20),))
    assert {e.value: e.text["en"] for e in mode.enumerators} == {1: "running", 2: "auto", 7: "seven"}
    assert model.collections["pair"].members == {"B": Member("flow", {"en": "b"}), "C": Member("mode")}
    assert [attribute.name for attribute in _construct(model, "scale").attributes] == ["MAX_VALUE"]  # replaced whole
    assert "go" not in model.constructs
    assert model.variables["extra"].edd_type == "DATE"
    assert model.variables["twin"].enumerators == mode.enumerators
    transactions = [a.value for a in _construct(model, "read").attributes if a.name == "TRANSACTION"]
    assert [[inner.name for inner in t.attributes] for t in transactions] == [["REQUEST", "REPLY"]] * 2  # type: ignore[union-attr]


def test_an_enumerator_inside_a_condition_is_changed_where_it_stands() -> None:
    model = _model(
        FROM + '{ EVERYTHING; REDEFINITIONS { VARIABLE mode { TYPE ENUMERATED { REDEFINE { 2, "self" } } } } }'
    )
    assert {e.value: e.text["en"] for e in model.variables["mode"].enumerators} == {0: "off", 1: "on", 2: "self"}
    assert "TYPE" in model.variables["mode"].conditional  # still only when the device says so
    without = _model(FROM + "{ EVERYTHING; REDEFINITIONS { VARIABLE mode { TYPE ENUMERATED { DELETE 2; } } } }")
    assert [e.value for e in without.variables["mode"].enumerators] == [0, 1]


def test_the_standard_form_names_its_tables() -> None:
    model = _model(
        "IMPORT STANDARD _TABLES, DEVICE_REVISION 8, DD_REVISION 1 { EVERYTHING; }", _TABLES="VARIABLE t { TYPE DATE; }"
    )
    assert list(model.variables) == ["t"]


def test_what_identifies_the_import_reaches_the_provider_as_written() -> None:
    asked: list[Identification] = []

    def give(wanted: Identification) -> Edd:
        asked.append(wanted)
        return parse(HEADER, file="other.ddl")

    resolve(
        parse(
            HEADER + "IMPORT MANUFACTURER ACME, DEVICE_TYPE _X, DEVICE_REVISION 0x02, DD_REVISION 3 { EVERYTHING; }"
            "IMPORT STANDARD _T, DEVICE_REVISION 8, DD_REVISION 1 { }"
        ),
        imports=give,
    )
    assert asked == [Identification("ACME", "_X", 2, 3), Identification(None, None, 8, 1, "_T")]


def test_imports_of_imports_and_one_edd_by_two_ways() -> None:
    bodies = {
        "t8": FROM.replace("DEVICE_TYPE 8", "DEVICE_TYPE 7") + "{ EVERYTHING; } VARIABLE b { TYPE DATE; }",
        "t7": "VARIABLE a { TYPE DATE; }",
    }
    both = FROM + "{ EVERYTHING; }" + FROM.replace("DEVICE_TYPE 8", "DEVICE_TYPE 7") + "{ EVERYTHING; }"
    assert list(_model(both, **bodies).variables) == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "rule", "text"),
    [
        (FROM + "{ NONSENSES; }", "import", "NONSENSES"),
        (FROM + "{ VARIABLE gone; }", "missing-target", "gone"),
        (FROM + "{ VARIABLE top; }", "missing-target", "VARIABLE top"),  # there, but a MENU
        (FROM + '{ REDEFINITIONS { VARIABLE flow { REDEFINE LABEL "x"; } } }', "missing-target", "flow"),
        (FROM + "{ VARIABLES; REDEFINITIONS { DELETE MENU top; } }", "missing-target", "top"),
        (FROM + "{ VARIABLES; REDEFINITIONS { ADD VARIABLE flow { TYPE DATE; } } }", "duplicate-name", "flow"),
        (FROM + "{ VARIABLES; } VARIABLE flow { TYPE DATE; }", "duplicate-name", "t8.ddl"),
        (FROM + "{ MENUS; }", "unresolved-reference", "flow"),
        ("IMPORT MANUFACTURER 9, DEVICE_TYPE 5, DEVICE_REVISION 1, DD_REVISION 1 { }", "import", "DEVICE_TYPE 5"),
        (
            FROM + "{ EVERYTHING; REDEFINITIONS { COLLECTION pair { MEMBERS { DELETE Z; } } } }",
            "missing-target",
            "entry",
        ),
    ],
)
def test_a_wrong_import_is_named_with_its_place(body: str, rule: str, text: str) -> None:
    found = next(problem for problem in _problems(body) if problem.rule == rule)
    assert text in found.text
    assert found.line >= 2
    assert found.excerpt


def test_two_imports_with_different_things_of_one_name_clash() -> None:
    other = FROM.replace("DEVICE_TYPE 8", "DEVICE_TYPE 7") + "{ EVERYTHING; }"
    found = _problems(FROM + "{ VARIABLES; }" + other, t7="VARIABLE flow { TYPE DATE; }")
    assert [problem.rule for problem in found] == ["duplicate-name"]


def test_an_import_that_cannot_be_had_costs_one_problem() -> None:
    missing = "IMPORT MANUFACTURER 9, DEVICE_TYPE 5, DEVICE_REVISION 1, DD_REVISION 1 { EVERYTHING; }"
    assert len(_problems(missing + "MENU m { ITEMS { elsewhere } } n LIKE VARIABLE far { }")) == 1


def test_a_problem_in_the_imported_edd_shows_its_own_line() -> None:
    (found,) = _problems(FROM + "{ EVERYTHING; }", t8="\nVARIABLE broken { }")
    assert (found.file, found.line, found.excerpt) == ("t8.ddl", 3, "VARIABLE broken { }")


@pytest.mark.parametrize("by_way", [False, True])
def test_an_edd_that_imports_itself_is_refused(by_way: bool) -> None:
    back = "IMPORT MANUFACTURER 1, DEVICE_TYPE 2, DEVICE_REVISION 3, DD_REVISION 4 { EVERYTHING; }"
    body = FROM + "{ EVERYTHING; }" if by_way else back
    bodies: Mapping[str, str] = {"t8": back, "t2": ""}
    found = _problems(body, **bodies)
    assert [problem.rule for problem in found] == ["import"]
    assert "imports itself" in found[0].text


def _endless(wanted: Identification) -> Edd:
    assert isinstance(wanted.device_type, int)
    following = FROM.replace("DEVICE_TYPE 8", f"DEVICE_TYPE {wanted.device_type + 1}")
    return parse(HEADER + following + "{ EVERYTHING; }", file=f"{wanted.device_type}.ddl")


@pytest.mark.parametrize("depth", [1, 8])
def test_a_chain_of_imports_ends_at_the_limit(depth: int) -> None:
    with pytest.raises(EddError) as caught:
        resolve(parse(HEADER + FROM + "{ EVERYTHING; }"), imports=_endless, limits=EddLimits(import_depth=depth))
    assert caught.value.problems[-1].rule == "limit"
    assert caught.value.problems[-1].file == f"{7 + depth}.ddl"


def test_the_number_of_imported_edds_is_bounded() -> None:
    many = "".join(FROM.replace("DEVICE_TYPE 8", f"DEVICE_TYPE {n}") + "{ }" for n in range(10, 14))
    bodies = {f"t{n}": "" for n in range(10, 14)}
    assert _problems(many, EddLimits(imports=3), **bodies)[-1].rule == "limit"
    assert _model(many, EddLimits(imports=4), **bodies).constructs == {}


def test_what_imports_bring_together_is_bounded() -> None:
    two = "".join(FROM.replace("DEVICE_TYPE 8", f"DEVICE_TYPE {n}") + "{ EVERYTHING; }" for n in (10, 11))
    bodies = {f"t{n}": "".join(f"VARIABLE v{n}_{k} {{ TYPE DATE; }}" for k in range(3)) for n in (10, 11)}
    assert _problems(two, EddLimits(constructs=5), **bodies)[-1].rule == "limit"
