"""The grammar takes every form it promises, and words are keywords only where they mean something."""

from __future__ import annotations

from typing import Any

import pytest

from server.fdi.eddl.expressions import Assignment, Binary, Call, Cast, Integer, Reference, Ternary, Text, Unary
from server.fdi.eddl.nodes import Attribute, Conditional, Construct, Group, ItemList, Like, ListItem, Scalar, TypeSpec
from server.fdi.eddl.statements import Block, Declaration, ExpressionStatement, For, If, Return, Switch, While
from tests.kit.edd import FOLDER, construct, edd, forms_used, read

CORPUS = ("pump.ddl", "dialects.ddl", "forms.ddl")


def test_corpus_uses_every_form_of_every_grammar_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    used, forms = forms_used(CORPUS, monkeypatch)
    print(f"grammar rules: {len(used)} of {len(forms)} forms used")
    assert len(forms) > 250  # the tables were found
    assert forms - used == set()


def test_grammar_is_lalr_with_only_the_conflicts_that_shifting_settles(caplog: pytest.LogCaptureFixture) -> None:
    # Optional separators make `a (X)`, `a [1]`, `"a" "b"`, `G {}` and a dangling else ambiguous; each belongs to what
    # stands before it. A new conflict would be an accident.
    from lark import Lark, logger

    text = (FOLDER.parents[2] / "server/fdi/eddl/grammar.lark").read_text(encoding="utf-8")
    with caplog.at_level("DEBUG", logger=logger.name):
        Lark(text, parser="lalr", lexer="basic", start=["header", "toplevel"], maybe_placeholders=False, debug=True)
    conflicts = {
        message.split("terminal ")[1].split(":")[0] for message in caplog.messages if "conflict" in message.lower()
    }
    assert conflicts <= {"LSQB", "LPAR", "STRING", "LBRACE", "_C_ELSE"}


def _attribute(body: str, name: str) -> Any:
    found = construct(body).attribute(name)
    assert found is not None
    return found.value


def _value(text: str) -> Any:
    scalar = _attribute(f"VARIABLE x {{ DEFAULT_VALUE {text}; TYPE FLOAT; }}", "DEFAULT_VALUE")
    assert isinstance(scalar, Scalar)
    return scalar.values[0]


def _shape(node: Any) -> str:
    match node:
        case Integer():
            return str(node.value)
        case Reference():
            return node.name
        case Binary():
            return f"({_shape(node.left)}{node.operator}{_shape(node.right)})"
        case Unary():
            return f"({node.operator}{_shape(node.operand)})"
        case Ternary():
            return f"({_shape(node.condition)}?{_shape(node.then)}:{_shape(node.otherwise)})"
        case Assignment():
            return f"({_shape(node.target)}{node.operator}{_shape(node.value)})"
        case Cast():
            return f"(<{node.ctype}>{_shape(node.operand)})"
        case Call():
            return f"{node.target.name}[{','.join(map(_shape, node.arguments))}]"
    raise AssertionError(node)


@pytest.mark.parametrize(
    ("written", "grouped"),
    [
        ("1 + 2 * 3", "(1+(2*3))"),
        ("1 - 2 - 3", "((1-2)-3)"),
        ("a || b && c | d ^ e & f == g < h << i + j * k", "(a||(b&&(c|(d^(e&(f==(g<(h<<(i+(j*k))))))))))"),
        ("a * b + c << d < e == f & g ^ h | i && j || k", "((((((((((a*b)+c)<<d)<e)==f)&g)^h)|i)&&j)||k)"),
        ("(1 + 2) * 3", "((1+2)*3)"),
        ("-a + !b", "((-a)+(!b))"),
        ("- - ~a", "(-(-(~a)))"),
        ("a ? b : c ? d : e", "(a?b:(c?d:e))"),
        ("a % b / c", "((a%b)/c)"),
        ("f(a, b + 1) != 3", "(f[a,(b+1)]!=3)"),
    ],
)
def test_operators_bind_as_in_c(written: str, grouped: str) -> None:
    assert _shape(_value(written)) == grouped


def test_index_after_a_reference_and_dictionary_text_at_a_value_start() -> None:
    items = _attribute("MENU x { ITEMS { a[1], [a] } }", "ITEMS").items
    assert isinstance(items[0].value, Reference)
    assert len(items[0].value.steps) == 1
    assert type(items[1].value).__name__ == "DictionaryReference"


def test_separators_between_list_items_are_optional_and_remembered() -> None:
    items = _attribute('COLLECTION x { MEMBERS { A, a, "t"; B, b C, c } }', "MEMBERS").items
    assert [item.separator for item in items] == [",", ",", ";", ",", "", ",", ""]


def test_qualifiers_masks_and_call_arguments_are_told_apart() -> None:
    items = _attribute("COMMAND x { REQUEST { a (INFO, INDEX), b <0xF0>, c <7> (INFO), m(1, d) } }", "REQUEST").items
    assert [(item.qualifiers, item.mask) for item in items] == [
        (("INFO", "INDEX"), None),
        ((), 0xF0),
        (("INFO",), 7),
        ((), None),
    ]
    assert isinstance(items[3].value, Call)


def test_a_comparison_is_no_mask() -> None:
    assert _shape(_value("a < 3")) == "(a<3)"


@pytest.mark.parametrize("word", ["IF", "TYPE", "UNIT", "LIKE", "DELETE", "DEFAULT", "OF", "ADD", "CASE", "int", "if"])
def test_a_keyword_is_a_plain_name_where_it_means_nothing(word: str) -> None:
    items = _attribute(f"COLLECTION x {{ MEMBERS {{ {word}, value; OTHER, coll.{word}; }} }}", "MEMBERS").items
    assert items[0].value.name == word
    assert items[3].value.steps[0].name == word


@pytest.mark.parametrize("word", ["UNIT", "REFRESH", "LIKE", "OF", "IMPORT", "TYPE", "IF", "RESPONSE_CODES"])
def test_a_construct_may_be_called_like_a_keyword(word: str) -> None:
    assert construct(f"VARIABLE {word} {{ TYPE FLOAT; }}", word).kind == "VARIABLE"


def test_conditional_branches_keep_their_trees() -> None:
    value = _attribute("VARIABLE x { HANDLING IF (s == 3) { READ; } ELSE IF (t) { WRITE; } TYPE FLOAT; }", "HANDLING")
    assert isinstance(value, Conditional)
    assert _shape(value.subject) == "(s==3)"
    assert value.default is not None
    assert isinstance(value.default[0], Conditional)
    select = _attribute("MENU x { ITEMS { SELECT (u) { CASE 1: a, b CASE 2: c DEFAULT: d } } }", "ITEMS").items[0]
    assert [len(case.content) for case in select.cases] == [2, 1]
    assert len(select.default) == 1


def test_type_keeps_size_target_and_enumerators() -> None:
    spec = _attribute('VARIABLE x { TYPE ENUMERATED (2) { DEFAULT_VALUE 1; { 1, "one" } { 2, "two", "h" } } }', "TYPE")
    assert isinstance(spec, TypeSpec)
    assert spec.reference.name == "ENUMERATED"
    assert _shape(spec.size) == "2"
    assert [type(item) for item in spec.items] == [Attribute, ListItem, ListItem]
    assert all(isinstance(item.value, Group) for item in spec.items[1:] if isinstance(item, ListItem))
    index = _attribute("VARIABLE x { TYPE INDEX (1) table; }", "TYPE")
    assert index.target.name == "table"


def test_like_names_the_new_construct_first() -> None:
    source = edd('VARIABLE a { TYPE FLOAT; } b LIKE VARIABLE a { REDEFINE LABEL "B"; } c LIKE a { }')
    like = source.items["b"]
    assert isinstance(like, Like)
    assert (like.kind, like.base, like.attributes[0].modifier) == ("VARIABLE", "a", "REDEFINE")
    assert source.items["c"].kind is None


def test_import_keeps_what_it_selects_and_redefines() -> None:
    source = edd(
        "IMPORT MANUFACTURER 1, DEVICE_TYPE 2, DEVICE_REVISION 1, DD_REVISION 1 "
        "{ EVERYTHING; VARIABLE v; REDEFINITIONS { VARIABLE a { DELETE HELP; } DELETE MENU m; } }"
    )
    imported = source.imports[0]
    assert [(part.kind, part.name) for part in imported.selections] == [("EVERYTHING", None), ("VARIABLE", "v")]
    assert [type(item).__name__ for item in imported.redefinitions] == ["Construct", "Removal"]


def test_method_program_becomes_statements() -> None:
    body = _attribute(
        """METHOD x (long &count, char text[]) { DEFINITION {
            unsigned long a = 1, b[3];
            for (a = 0; a < 3; a++) b[a] += (int)a * 2;
            if (a) ; else if (b[0]) return a; else { }
            do a--; while (a);
            switch (a) { case 1: case 2: break; default: f(&a, "t"); }
            item.MEMBER = a, b[1] = 2;
        } }""",
        "DEFINITION",
    )
    assert isinstance(body, Block)
    kinds = [type(statement) for statement in body.statements]
    assert kinds == [Declaration, For, If, While, Switch, ExpressionStatement]
    loop = body.statements[1]
    assert isinstance(loop, For)
    assert isinstance(loop.body, ExpressionStatement)
    assert _shape(loop.body.value) == "(b+=((<int>a)*2))"
    choice = body.statements[2]
    assert isinstance(choice, If)
    assert isinstance(choice.otherwise, If)
    assert isinstance(choice.otherwise.then, Return)


def test_method_parameters_tell_direction_and_arrays() -> None:
    parameters = construct("METHOD x (unsigned long id, DD_STRING &out, char t[]) { DEFINITION { } }").parameters
    assert parameters is not None
    assert [(p.ctype, p.name, p.by_reference, p.is_array) for p in parameters] == [
        ("unsigned long", "id", False, False),
        ("DD_STRING", "out", True, False),
        ("char", "t", False, True),
    ]


def test_every_node_knows_where_it_stands() -> None:
    found = construct('\n  VARIABLE x\n  {\n    LABEL "é" "y";\n    TYPE FLOAT;\n  }')
    assert (found.position.line, found.position.column) == (3, 3)
    label = found.attributes[0]
    assert (label.position.line, label.position.column) == (5, 5)
    assert isinstance(label.value, Scalar)
    assert isinstance(label.value.values[0], Text)
    assert (label.value.values[0].position.line, label.value.values[0].position.column) == (5, 11)


def test_shared_response_code_table_is_a_list_of_codes() -> None:
    codes = construct('RESPONSE_CODES x { 0, SUCCESS, "OK"; 3, MODE_ERROR, "No"; }').attribute("RESPONSE_CODES")
    assert codes is not None
    assert isinstance(codes.value, ItemList)
    assert len(codes.value.items) == 6


def test_declarations_keep_source_order() -> None:
    names = [item.name for item in read("dialects.ddl").declarations if isinstance(item, Construct)]
    assert names.index("analog_input") < names.index("network") < names.index("physical")
