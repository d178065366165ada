"""Hypothesis strategies for EDD sources: headers, constructs of all kinds, conditionals, METHODs with statements.

Every source drawn from `edds` parses; whether it means anything is another matter.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.kit.eddl_words import BUILTINS, CONSTRUCTS, VALUES

NAMES = ("alpha", "beta", "gamma", "delta", "UNIT", "LIKE", "OF", "INPUT", "BLOCK", "x_1", "_y")
RELATIONS = ("UNIT", "REFRESH", "WRITE_AS_ONE")
_PLAIN_KINDS = tuple(sorted(CONSTRUCTS - {*RELATIONS, "VARIABLE", "METHOD", "MENU", "COMMAND", "RESPONSE_CODES"}))
_BINARY = ("||", "&&", "|", "^", "&", "==", "!=", "<", ">", "<=", ">=", "<<", ">>", "+", "-", "*", "/", "%")
_ASSIGNMENTS = ("=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=")
_CTYPES = ("int", "long", "unsigned long", "float", "double", "char", "unsigned char", "long long", "DD_STRING")
_SEPARATORS = (", ", "; ")

names = st.sampled_from(NAMES)
spaces = st.sampled_from([" ", "\n", " /* c */ ", "\t// c\n", " \\\n "])


def joined(parts: SearchStrategy[list[str]], separator: str = " ") -> SearchStrategy[str]:
    """Drawn pieces with a separator between them."""
    return parts.map(separator.join)


def formatted(pattern: str, *parts: SearchStrategy[str]) -> SearchStrategy[str]:
    """The pattern with its `{}` filled in; `{{` stands for a brace."""
    return st.tuples(*parts).map(lambda drawn: pattern.format(*drawn))


def lists(item: SearchStrategy[str], separators: Sequence[str] = _SEPARATORS, most: int = 4) -> SearchStrategy[str]:
    """Items with drawn separators after them."""
    entry = st.tuples(item, st.sampled_from(separators)).map("".join)
    return joined(st.lists(entry, max_size=most), "")


def _literal(text: str) -> str:
    kept = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("|", "\\|")
    return f'"{kept}"'


_letters = st.text(st.characters(codec="utf-8", exclude_characters="\ue000"), max_size=6)
_languages = st.lists(st.tuples(st.sampled_from(["en", "de", "ru", "en zz"]), st.text("abc é", max_size=4)), max_size=3)
texts = st.one_of(
    _letters.map(_literal),
    _languages.map(lambda parts: '"' + "".join(f"|{code}|{text}" for code, text in parts) + '"'),
    st.sampled_from(['"%[5.2f]{alpha}"', '"a" "b"', '"\\101\\x42\\t\\?"', '"|"', '"||en|"']),
)
integers = st.one_of(
    st.integers(0, 2**64 - 1).map(str),
    st.integers(0, 2**64 - 1).map(hex),
    st.integers(0, 511).map(lambda n: f"0{n:o}"),
    st.integers(0, 255).map(bin),
    st.integers(0, 2**31).map(lambda n: f"{n}u"),
)
decimals = (
    st.floats(0, 1e300, allow_nan=False)
    .map(lambda f: repr(f) if "." in repr(f) else repr(f) + ".0")
    .filter(lambda text: "e" not in text or "." in text.split("e")[0])
)
numbers = st.one_of(integers, decimals)


def _references(inner: SearchStrategy[str]) -> SearchStrategy[str]:
    step = st.one_of(names.map(lambda name: "." + name), inner.map(lambda index: f"[{index}]"))
    return st.tuples(names, st.lists(step, max_size=2)).map(lambda drawn: drawn[0] + "".join(drawn[1]))


def _expressions(inner: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.one_of(
        formatted("{} {} {}", inner, st.sampled_from(_BINARY), inner),
        formatted("({})", inner),
        formatted("{} {}", st.sampled_from("-+~!"), inner),
        formatted("({}) ? {} : {}", inner, inner, inner),
        st.tuples(names, st.lists(inner, max_size=3)).map(lambda drawn: f"{drawn[0]}({', '.join(drawn[1])})"),
        _references(inner),
    )


atoms = st.one_of(numbers, texts, names, names.map(lambda name: f"[{name}]"), _references(integers))
expressions = st.recursive(atoms, _expressions, max_leaves=8)
references = _references(expressions)


def conditionals(content: SearchStrategy[str]) -> SearchStrategy[str]:
    """IF with its chain of ELSE IF, or SELECT, around the content."""

    def around(inner: SearchStrategy[str]) -> SearchStrategy[str]:
        cases = st.lists(formatted("CASE {}: {} ", expressions, inner), max_size=2).map("".join)
        default = st.one_of(st.just(""), formatted("DEFAULT: {}", inner))
        return st.one_of(
            formatted("IF ({}) {{ {} }} ", expressions, inner),
            formatted("IF ({}) {{ {} }} ELSE {{ {} }} ", expressions, inner, inner),
            formatted("IF ({}) {{ {} }} ELSE IF ({}) {{ {} }} ", expressions, inner, expressions, inner),
            formatted("SELECT ({}) {{ {} {} }} ", expressions, cases, default),
        )

    return st.recursive(content, around, max_leaves=3)


# ---- attributes

scalars = st.lists(expressions, min_size=1, max_size=3).map(lambda parts: ", ".join(parts) + ";")
words = st.sampled_from(sorted(VALUES))
_attribute_names = st.sampled_from(
    ["LABEL", "HELP", "VALIDITY", "VISIBILITY", "PRIVATE", "MIN_VALUE", "NUMBER", "PATH"]
)
_word_attributes = formatted("{} {};", st.sampled_from(["CLASS", "HANDLING", "STYLE", "ACCESS"]), words)
_modifiers = st.sampled_from(["", "", "", "ADD ", "REDEFINE "])
_scalar_attributes = formatted("{}{} {}", _modifiers, _attribute_names, conditionals(scalars))
_qualifiers = st.sampled_from(["", "", " (READ_ONLY)", " (INFO, INDEX)", " <0xF0>", " <7> (INFO)", " = 3"])
_items = st.one_of(
    formatted("{}{}", references, _qualifiers),
    expressions,
    formatted("{{ {} }}", lists(expressions)),
    formatted("{} {{ {} }}", names, lists(expressions)),
)
_contents = conditionals(lists(_items, (", ", "; ", ": ")))
_list_attributes = formatted(
    "{} {{ {} }}", st.sampled_from(["ITEMS", "MEMBERS", "ELEMENTS", "Y_VALUES", "PRE_EDIT_ACTIONS"]), _contents
)
_removals = formatted("DELETE {};", _attribute_names)
_enumerators = formatted("{}{{ {}, {} }}", _modifiers, integers, texts)
_type_items = lists(st.one_of(_enumerators, _scalar_attributes), (" ", ", "))
types = st.one_of(
    formatted("TYPE {};", st.sampled_from(["FLOAT", "DOUBLE", "DATE", "BOOLEAN"])),
    formatted("TYPE INTEGER ({}) {{ {} }}", integers, _type_items),
    formatted("TYPE ENUMERATED {{ {} }}", conditionals(_type_items)),
    formatted("TYPE INDEX {};", references),
    formatted("TYPE ASCII ({});", integers),
)
attributes = st.one_of(_scalar_attributes, _word_attributes, _list_attributes, _removals, types)
bodies = st.lists(attributes, max_size=4).map("\n  ".join)

# ---- METHODs


def _method_expressions(inner: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.one_of(
        _expressions(inner),
        formatted("({}) {} ({})", names, st.sampled_from(_ASSIGNMENTS), inner),
        formatted("({}){}", st.sampled_from(_CTYPES), names),
        formatted("{}({})", st.sampled_from(sorted(BUILTINS)), inner),
        formatted("({}, {})", inner, inner),
        formatted("++{}", names),
        formatted("{}--", names),
        formatted("f(&{})", names),
    )


method_expressions = st.recursive(
    st.one_of(atoms, st.sampled_from(["'a'", "'\\n'"])), _method_expressions, max_leaves=6
)
_declarators = formatted("{}{}", names, st.sampled_from(["", "[3]", "[2][4]", " = 1", "[] = { 1, 2 }"]))
_plain_statements = st.one_of(
    st.sampled_from([";", "break;", "continue;", "return;", "{ }"]),
    formatted("({});", method_expressions),
    formatted("return {};", method_expressions),
    formatted("{} {};", st.sampled_from(_CTYPES), joined(st.lists(_declarators, min_size=1, max_size=2), ", ")),
    formatted("{} {} {};", names.filter(lambda name: name in ("alpha", "beta")), st.just("="), method_expressions),
)


def _statements(inner: SearchStrategy[str]) -> SearchStrategy[str]:
    some = st.lists(inner, max_size=3).map(" ".join)
    return st.one_of(
        formatted("{{ {} }}", some),
        formatted("if ({}) {}", method_expressions, inner),
        formatted("if ({}) {{ {} }} else {}", method_expressions, some, inner),
        formatted("while ({}) {}", method_expressions, inner),
        formatted("do {} while ({});", inner, method_expressions),
        formatted("for ({}; {}; {}) {}", method_expressions, method_expressions, method_expressions, inner),
        formatted("switch ({}) {{ case {}: {} default: {} }}", method_expressions, integers, some, some),
    )


statements = st.recursive(_plain_statements, _statements, max_leaves=5)
programs = st.lists(statements, max_size=4).map("\n    ".join)
_parameters = lists(
    formatted("{} {}{}", st.sampled_from(_CTYPES), st.sampled_from(["", "&"]), names), (", ",), most=3
).map(lambda text: text.rstrip(", "))

# ---- whole sources

_sides = conditionals(lists(references))
constructs = st.one_of(
    formatted("VARIABLE {} {{\n  {}\n  {}\n}}", names, types, bodies),
    formatted("{} {} {{\n  {}\n}}", st.sampled_from(_PLAIN_KINDS), names, bodies),
    formatted("ARRAY OF VARIABLE {} {{\n  {}\n}}", names, bodies),
    formatted("MENU {} {{ LABEL {}; ITEMS {{ {} }} }}", names, texts, _contents),
    formatted("METHOD {} ({}) {{ {} DEFINITION {{\n    {}\n  }} }}", names, _parameters, bodies, programs),
    formatted(
        "COMMAND {} {{ NUMBER {}; TRANSACTION {{ REQUEST {{ {} }} REPLY {{ {} }} }} }}",
        *(names, integers, _contents, _contents),
    ),
    formatted("RESPONSE_CODES {} {{ {} }}", names, lists(formatted("{}, SUCCESS, {}", integers, texts), ("; ",))),
    formatted("{} {} {{ {} : {} }}", st.sampled_from(["UNIT", "REFRESH"]), names, _sides, _sides),
    formatted("WRITE_AS_ONE {} {{ {} }}", names, _sides),
    formatted("{} LIKE VARIABLE {} {{\n  {}\n}}", names.filter(lambda name: name != "UNIT"), names, bodies),
    formatted("DELETE VARIABLE {};", names),
)
items = st.one_of(constructs, constructs.map(lambda text: text + ";"))
_identifications = formatted(
    "MANUFACTURER {}, DEVICE_TYPE {}, DEVICE_REVISION {}, DD_REVISION {}",
    *(
        st.one_of(integers, st.just("EXAMPLE")),
        st.one_of(integers, st.just("_EX"), _letters.map(_literal)),
        integers,
        integers,
    ),
)
_imports = formatted(
    "IMPORT {} {{ EVERYTHING; REDEFINITIONS {{ {} }} }}", _identifications, joined(st.lists(items, max_size=2))
)
edds = st.tuples(_identifications, st.lists(_imports, max_size=1), st.lists(items, max_size=6), spaces).map(
    lambda drawn: drawn[3].join([drawn[0], *drawn[1], *drawn[2]]) + "\n"
)
