"""The corpus resolves, prints and reads back; between them its files use all of the grammar and every word of EDDL."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from server.fdi.eddl.comparing import same
from server.fdi.eddl.errors import EddError
from server.fdi.eddl.expressions import Call
from server.fdi.eddl.model import EddModel
from server.fdi.eddl.nodes import Construct, Edd
from server.fdi.eddl.parser import parse
from server.fdi.eddl.printing import print_edd
from server.fdi.eddl.resolve import resolve
from tests.kit.edd import CORPUS, FOLDER, UNRESOLVED, forms_used, imported, read
from tests.kit.eddl_words import ANSWERS, ATTRIBUTES, BUILTINS, CONSTRUCTS, TYPES, VALUES

WRONG = sorted(path.stem for path in (FOLDER / "wrong").glob("*.ddl"))


def _resolved(name: str) -> EddModel:
    return resolve(read(name), imports=None if name == "dialects.ddl" else imported)


@pytest.mark.parametrize("name", [name for name in CORPUS if name not in UNRESOLVED])
def test_a_file_of_the_corpus_means_something_without_problem_or_warning(name: str) -> None:
    model = _resolved(name)
    assert model.constructs
    assert model.other == ()
    assert model.warnings == ()


@pytest.mark.parametrize("name", CORPUS)
def test_a_file_of_the_corpus_means_the_same_after_printing(name: str) -> None:
    source = read(name)
    again = parse(print_edd(source), file="printed.ddl", dictionary=source.dictionary)
    assert same(source, again)
    if name not in UNRESOLVED:
        provider = None if name == "dialects.ddl" else imported
        assert same(resolve(again, imports=provider), resolve(source, imports=provider))


def test_the_corpus_uses_every_rule_of_the_grammar(monkeypatch: pytest.MonkeyPatch) -> None:
    used, forms = forms_used(CORPUS, monkeypatch)
    share = 100 * len(used) / len(forms)
    print(f"grammar: {len(used)} of {len(forms)} forms used by {len(CORPUS)} files, {share:.0f} %")
    assert forms - used == set()


def _nodes(root: object) -> Iterator[object]:
    """Every node below, without recursion."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, tuple):
            pending.extend(node)
        elif hasattr(node, "__dataclass_fields__"):
            pending.extend(getattr(node, name) for name in node.__dataclass_fields__ if name != "position")


def _trees() -> list[Edd]:
    return [read(name) for name in CORPUS]


def test_the_corpus_uses_every_construct_type_and_attribute() -> None:
    kinds: set[str] = set()
    attributes: set[str] = set()
    types: set[str] = set()
    for tree in _trees():
        for node in _nodes(tree.declarations):
            if isinstance(node, Construct):
                kinds.add(node.kind)
            names = getattr(node, "name", None)
            if type(node).__name__ in ("Attribute", "Group") and isinstance(names, str):
                attributes.add(names)
            if type(node).__name__ == "TypeSpec":
                types.add(node.reference.name)  # type: ignore[attr-defined]
        kinds.update(item.kind for item in tree.declarations if type(item).__name__ == "RelationItem" and item.kind)
    assert kinds >= CONSTRUCTS
    assert types >= TYPES
    assert ATTRIBUTES - attributes == set()


def test_the_corpus_uses_every_word_an_attribute_may_hold() -> None:
    words: set[str] = set()
    for name in CORPUS:
        words.update(re.findall(r"\w+", print_edd(read(name))))
    assert VALUES - words == set()


def test_the_corpus_calls_every_builtin() -> None:
    called: set[str] = set()
    named: set[str] = set()
    for tree in _trees():
        for node in _nodes(tree.declarations):
            if isinstance(node, Call):
                called.add(node.target.name)
            if type(node).__name__ == "Reference":
                named.add(node.name)  # type: ignore[attr-defined]
    print(f"builtins: {len(BUILTINS & called)} of {len(BUILTINS)} called")
    assert BUILTINS - called == set()
    assert ANSWERS - named == set()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_at_the_place_and_for_the_rule_it_names(name: str) -> None:
    # Each file breaks the rule it is called after; line 1 says where: `// expect line:column rule`.
    text = (FOLDER / "wrong" / f"{name}.ddl").read_text(encoding="utf-8")
    expected = re.match(r"// expect (\d+):(\d+) ([\w-]+)\n", text)
    assert expected is not None
    with pytest.raises(EddError) as caught:
        resolve(parse(text, file=name, dictionary={}), imports=imported)
    first = caught.value.problems[0]
    assert (str(first.line), str(first.column), first.rule) == expected.groups()
    assert first.rule == name
    assert first.excerpt in text.split("\n")[first.line - 1]
    assert first.shown().startswith(f"{name}:{first.line}:{first.column}: ")


def test_the_breaker_gives_what_the_fact_sheet_expects() -> None:
    # eddl.md section 9: parameters, states, option bits and ranges of the worked example.
    model = _resolved("breaker.ddl")
    assert list(model.variables) == [
        "voltage_l1",
        "current_l1",
        "current_unit",
        "trip_threshold",
        "breaker_state",
        "diag_flags",
        "control_word",
    ]
    assert [each.value for each in model.variables["breaker_state"].enumerators] == [0, 1, 2, 3]
    assert [each.value.bit_length() - 1 for each in model.variables["diag_flags"].enumerators] == [0, 1, 2, 8]
    assert model.variables["voltage_l1"].ranges == ((0.0, 690.0),)
    units = model.relations[0]
    assert (units.causes, units.effects) == (("current_unit",), ("current_l1", "trip_threshold"))
    shown = {item.target for menu in model.menus.values() for item in menu.items if item.kind == "method"}
    assert shown == {"trip", "reset"}
    assert model.commands["read_status"].transactions[0].reply[2].mask == 0xF0


def test_importing_takes_what_it_names_and_changes_it() -> None:
    model = _resolved("importing.ddl")
    assert set(model.constructs) == {
        *("level", "choice", "pair", "scale", "greet", "extra", "level_copy"),
        *("common_tag", "common_codes", "device_root_menu"),
    }
    level = model.variables["level"]
    assert (level.label["en"], dict(level.help), level.ranges) == ("Level of the tank", {}, ((0.0, 20.0),))
    assert [each.value for each in model.variables["choice"].enumerators] == [2, 3, 4]
    assert list(model.collections["pair"].members) == ["B", "C"]
