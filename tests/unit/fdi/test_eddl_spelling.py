"""Misspelled attributes and CLASS words are warned of where they stand, with the word that was meant."""

from __future__ import annotations

import re

import pytest

from server.fdi.eddl.errors import EddError
from server.fdi.eddl.limits import DEFAULT_LIMITS
from server.fdi.eddl.parser import parse
from server.fdi.eddl.resolve import resolve
from server.fdi.eddl.spelling import LONGEST, meant
from tests.kit.edd import FOLDER, edd, model

ODD = sorted(path.stem for path in (FOLDER / "odd").glob("*.ddl"))


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_taken_with_a_warning_at_every_place_it_names(name: str) -> None:
    # Each file breaks the rule it is called after; line 1 says where: `// warn line:column … rule`.
    text = (FOLDER / "odd" / f"{name}.ddl").read_text(encoding="utf-8")
    expected = re.findall(r"(\d+):(\d+)", text.split("\n")[0])
    found = resolve(parse(text, file=name, dictionary={})).warnings
    assert [(str(each.line), str(each.column)) for each in found] == expected
    assert {each.rule for each in found} == {name}


@pytest.mark.parametrize(
    ("written", "owner", "suggested"),
    [
        ('VARIABLE x { LABLE "a"; TYPE FLOAT; }', "VARIABLE x", "LABEL"),
        ('VARIABLE x { CONSTANT_UNITS "V"; TYPE FLOAT; }', "VARIABLE x", "CONSTANT_UNIT"),
        ("VARIABLE x { CLAS CONSTANT; TYPE FLOAT; }", "VARIABLE x", "CLASS"),
        ("VARIABLE x { TYPE FLOAT { MAX_VALU 5; } }", "the TYPE of VARIABLE x", "MAX_VALUE"),
        ("VARIABLE x { TYPE FLOAT { IF (1) { MIN_VALU2 5; } } }", "the TYPE of VARIABLE x", "MIN_VALUE"),
        ('VARIABLE x { label "a"; TYPE FLOAT; }', "VARIABLE x", "LABEL"),
        (
            "COMMAND x { NUMBER 1; OPERATION READ; TRANSACTION { REPLYS { } REQUEST { } REPLY { } } }",
            "a TRANSACTION of COMMAND x",
            "REPLY",
        ),
        ("MENU x { STILE WINDOW; }", "MENU x", "STYLE"),
    ],
)
def test_the_word_meant_is_named(written: str, owner: str, suggested: str) -> None:
    (warning,) = model(written).warnings
    assert warning.rule == "attribute-unknown"
    assert warning.text.startswith(f"{owner} can have no attribute ")
    assert warning.text.endswith(f"; did you mean {suggested}?")


def test_a_word_like_no_other_is_told_without_a_guess() -> None:
    (warning,) = model('VARIABLE x { QQQ "a"; TYPE FLOAT; }').warnings
    assert warning.text == "VARIABLE x can have no attribute QQQ"


def test_a_warning_is_told_beside_the_error_that_the_misspelling_makes() -> None:
    with pytest.raises(EddError) as caught:
        model("VARIABLE x { TYP FLOAT; }")
    assert [problem.rule for problem in caught.value.problems] == ["type-missing"]
    assert [(each.rule, each.column) for each in caught.value.warnings] == [("attribute-unknown", 14)]
    assert caught.value.warnings[0].text.endswith("did you mean TYPE?")


def test_thousands_of_unknown_attributes_are_told_up_to_the_limit() -> None:
    # A hostile source must not cost a comparison for every word of it.
    body = " ".join(f"WORD_{number} 1;" for number in range(20_000))
    found = resolve(edd(f"VARIABLE x {{ TYPE FLOAT; {body} }}")).warnings
    assert len(found) == DEFAULT_LIMITS.problems


def test_an_overlong_word_is_compared_with_none() -> None:
    assert meant("LABEL" + "L" * LONGEST, {"LABEL"}) == ""
    assert meant("LABELL", {"LABEL"}) == "; did you mean LABEL?"


def test_every_wrong_word_of_a_handling_stands_at_its_own_place() -> None:
    with pytest.raises(EddError) as caught:
        model("VARIABLE x { HANDLING IF (x > 1) { RAED; } ELSE { READ & WRIT; } TYPE FLOAT; }")
    assert [(each.rule, each.line, each.column) for each in caught.value.problems] == [
        ("handling", 2, 36),
        ("handling", 2, 58),
    ]
