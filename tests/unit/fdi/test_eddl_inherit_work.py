"""LIKE and changes cost what a source of that length may cost, however often they repeat something long."""

from __future__ import annotations

import pytest

from server.fdi.eddl.limits import EddLimits
from server.fdi.eddl.model import EddModel
from server.fdi.eddl.resolve import resolve
from tests.kit.edd import edd, model, rules


def enumerators(numbers: range, word: str = "") -> str:
    return " ".join(f'{word} {{ {number}, "t{number}" }}' for number in numbers)


def enumeration(numbers: range) -> str:
    return f'VARIABLE a {{ LABEL "A"; CLASS DEVICE; TYPE ENUMERATED {{ {enumerators(numbers)} }} }}\n'


def likes(count: int) -> str:
    return "".join(f'b{number} LIKE VARIABLE a {{ REDEFINE LABEL "b"; }}\n' for number in range(count))


def test_a_source_that_repeats_something_long_many_times_is_refused_at_once() -> None:
    """Two thousand LIKEs of a thousand enumerators: 120 KB that would become two million entries."""
    assert rules(enumeration(range(1_000)) + likes(2_000)) == ["limit"]


def test_the_limit_names_the_place_where_it_is_crossed() -> None:
    body = enumeration(range(100)) + likes(3)
    assert isinstance(resolve(edd(body), limits=EddLimits(inherited=10_000)), EddModel)  # control
    assert rules(body, EddLimits(inherited=1_000)) == ["limit"]


@pytest.mark.parametrize("change", ["REDEFINE", "DELETE"])
def test_changes_that_look_through_a_long_branch_again_and_again_are_refused(change: str) -> None:
    """Entries inside a conditional have no order to find them by, so each change looks through all of them."""
    held = f"IF (a > 1) {{ {enumerators(range(3_000))} }}"
    changes = (
        enumerators(range(3_000), "REDEFINE")
        if change == "REDEFINE"
        else " ".join(f"DELETE {number};" for number in range(3_000))
    )
    body = (
        "VARIABLE a { TYPE INTEGER (4); }\n"
        f"VARIABLE b {{ TYPE ENUMERATED {{ {held} }} }}\nc LIKE VARIABLE b {{ TYPE ENUMERATED {{ {changes} }} }}"
    )
    assert "limit" in rules(body, EddLimits(inherited=100_000))


def test_many_transactions_changed_one_by_one_are_refused() -> None:
    """A TRANSACTION goes by its number, so each change compares those of all others."""

    def transactions(word: str) -> str:
        return " ".join(f"{word} TRANSACTION {number} {{ REQUEST {{ }} REPLY {{ v }} }}" for number in range(400))

    body = (
        "VARIABLE v { TYPE FLOAT; }\n"
        f"COMMAND a {{ NUMBER 1; OPERATION READ; {transactions('')} }}\n"
        f"b LIKE COMMAND a {{ REDEFINE NUMBER 2; {transactions('REDEFINE')} }}"
    )
    assert isinstance(resolve(edd(body)), EddModel)  # control
    assert rules(body, EddLimits(inherited=50_000)) == ["limit"]


def test_a_long_list_takes_many_changes() -> None:
    """Each change finds its entry by key: three thousand ADDs to three thousand entries, the order as written."""
    body = enumeration(range(3_000)) + (
        "b LIKE VARIABLE a { TYPE ENUMERATED { "
        f'{enumerators(range(3_000, 6_000), "ADD")} DELETE 0; REDEFINE {{ 1, "one" }} }} }}'
    )
    shown = model(body).variables["b"].enumerators
    assert [entry.value for entry in shown] == list(range(1, 6_000))
    assert shown[0].text["en"] == "one"


def test_deleted_entries_can_be_added_again_and_stand_last() -> None:
    """DELETE frees the key: what is added under it afterwards is found by it, too."""
    members = "VARIABLE v { TYPE FLOAT; } VARIABLE w { TYPE FLOAT; } COLLECTION a { MEMBERS { X, v; Y, v; } }\n"
    changes = "DELETE X; ADD X, v; REDEFINE X, w; DELETE Y;"
    made = model(f"{members}b LIKE COLLECTION a {{ MEMBERS {{ {changes} }} }}").collections["b"]
    assert [(name, member.target) for name, member in made.members.items()] == [("X", "w")]
