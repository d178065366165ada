"""What an author is told about a package with several mistakes: each one, in the part and at the place it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.fdi.build import assemble
from server.fdi.check import inspect, inspect_sources
from server.fdi.errors import Finding, PackageError, Severity
from server.fdi.package import read_package
from tests.kit.packages import BINDING, EDD, make_package, package_files


def errors(data: bytes) -> list[Finding]:
    return [finding for finding in inspect(data).findings if finding.severity is Severity.ERROR]


def test_a_misspelled_attribute_is_a_warning_with_its_line_in_the_part() -> None:
    edd = EDD.replace('LABEL "Count"', 'LABLE "Count"')
    line = edd.split('LABLE "Count"')[0].count("\n") + 1
    checked = inspect(make_package(edd=edd))
    (found,) = [finding for finding in checked.findings if finding.rule == "edd.attribute-unknown"]
    assert (found.place, found.excerpt) == (f"/edd/device.ddl:{line}:5", 'LABLE "Count";')
    assert found.text.endswith("did you mean LABEL?")
    assert (found.severity, checked.good, checked.spotless) == (Severity.WARNING, True, False)


def test_a_misspelled_attribute_is_told_beside_the_error_it_makes() -> None:
    checked = inspect(make_package(edd=EDD.replace("TYPE UNSIGNED_INTEGER (4);", "TIPE UNSIGNED_INTEGER (4);")))
    rules = {finding.rule: finding.severity for finding in checked.findings if finding.rule.startswith("edd.")}
    assert rules == {"edd.type-missing": Severity.ERROR, "edd.attribute-unknown": Severity.WARNING}


# -- METHODs

METHODS = """
METHOD ask
{
    LABEL "Ask";
    DEFINITION
    {
        long x;
        GET_DEV_VAR_VALU("Count?", count);
        x = levle;
        if (x > 1) { x = countt; }
    }
}
METHOD told { LABEL "Told"; DEFINITION { ACKNOWLEDGE("%{nobody}"); } }
"""


def test_every_problem_of_a_method_has_its_part_place_line_and_the_name_meant() -> None:
    edd = EDD + METHODS
    top = EDD.count("\n")
    found = [finding for finding in inspect(make_package(edd=edd)).findings if finding.rule.startswith("edd.method")]
    assert [(finding.place, finding.rule, finding.severity, finding.excerpt) for finding in found] == [
        (f"/edd/device.ddl:{top + 8}:9", "edd.method-builtin", "error", 'GET_DEV_VAR_VALU("Count?", count);'),
        (f"/edd/device.ddl:{top + 9}:13", "edd.method-name", "error", "x = levle;"),
        (f"/edd/device.ddl:{top + 10}:26", "edd.method-name", "error", "if (x > 1) { x = countt; }"),
        (f"/edd/device.ddl:{top + 13}:54", "edd.method-prompt", "warning", METHODS.strip().split("\n")[-1]),
    ]
    meant = ["GET_DEV_VAR_VALUE", "level", "count"]
    assert [finding.text.rpartition("; ")[2] for finding in found[:3]] == [f"did you mean {word}?" for word in meant]


def test_a_method_out_of_an_included_file_is_told_in_the_part_of_that_file() -> None:
    files = package_files(edd=EDD + '#include "more.h"\n')
    files["more.h"] = b"METHOD m { DEFINITION {\r\n\tfrobnicate(); } }\r\n"
    (found,) = errors(assemble(files)[0])
    assert (found.place, found.excerpt) == ("/edd/more.h:2:2", "frobnicate(); } }")


# -- EDD and binding

WRONG_EDD = EDD.replace("TYPE DOUBLE {", "TYPE TRIPLE {", 1)


def test_mistakes_of_the_edd_do_not_hide_those_of_the_binding() -> None:
    binding = BINDING.replace('time = "/time"', 'tyme = "/time"').format(
        type_id="test_thing", topic="things/{device}/telemetry", base="things/{device}"
    )
    data = make_package(edd=WRONG_EDD, binding=binding)
    found = [(finding.part, finding.rule) for finding in errors(data)]
    assert found == [("/edd/device.ddl", "edd.type-unknown"), ("/protocol/mqtt.toml", "binding")]
    with pytest.raises(PackageError) as caught:
        read_package(data)
    assert caught.value.rule == "edd.type-unknown"
    assert [("TRIPLE" in text, "tyme" in text) for text in caught.value.problems] == [(True, False), (False, True)]


def test_without_a_usable_edd_no_parameter_counts_as_unknown() -> None:
    # Only what can be told without the EDD is told: its own mistakes decide which parameters there are.
    assert [finding.rule for finding in errors(make_package(edd=WRONG_EDD))] == ["edd.type-unknown"]
    values = 'type = "test_thing"\n[[message]]\ntopic = "things/{device}/raw"\ntime = "/time"\nvalues = "/values"\n'
    found = errors(make_package(edd=WRONG_EDD, binding=values))
    assert [finding.rule for finding in found] == ["edd.type-unknown"]


def test_a_binding_that_is_no_toml_is_told_beside_a_wrong_edd() -> None:
    found = errors(make_package(edd=WRONG_EDD, binding="type = \n"))
    assert [finding.rule for finding in found] == ["edd.type-unknown", "toml.syntax"]
    assert found[1].place == "/protocol/mqtt.toml:1"


# -- catalog.toml


def test_every_mistake_of_catalog_toml_is_a_finding_of_its_own(tmp_path: Path) -> None:
    files = package_files()
    text = (
        files["catalog.toml"]
        .decode()
        .replace('version = "1.0.0"', 'version = "one"')
        .replace("manufacturer", "maker", 1)
    )
    files["catalog.toml"] = text.encode()
    checked = inspect_sources(files)
    assert (checked.good, checked.signature, checked.package) == (False, None, None)
    assert {(entry.part, entry.rule, entry.severity) for entry in checked.findings} == {
        ("catalog.toml", "source", Severity.ERROR)
    }
    assert [entry.text.split(": ")[0] for entry in checked.findings] == [
        "package.version",
        "package.manufacturer",
        "package.maker",
    ]

    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    run = CliRunner().invoke(app, ["package", "check", str(tmp_path)])
    assert run.exit_code == 1
    assert run.output.count("catalog.toml: error: ") == 3
    document = json.loads(CliRunner().invoke(app, ["package", "check", str(tmp_path), "--json"]).output)
    assert (document["good"], document["signature"], document["package"]) == (False, None, None)
    assert [entry["part"] for entry in document["findings"]] == ["catalog.toml"] * 3


@pytest.mark.parametrize(
    ("content", "rule", "line"), [(None, "source", 0), (b"a = 1\nb = \n", "toml.syntax", 2)], ids=["missing", "no_toml"]
)
def test_a_source_folder_without_a_readable_catalog_is_told_as_a_finding(
    content: bytes | None, rule: str, line: int
) -> None:
    files = package_files()
    del files["catalog.toml"]
    if content is not None:
        files["catalog.toml"] = content
    (found,) = inspect_sources(files).findings
    assert (found.part, found.rule, found.line) == ("catalog.toml", rule, line)
