"""What the documents say is what the program has: settings, commands, routes, topics, states, links, claims."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from fastapi.routing import APIRoute

import server.console.routes
from server.alarms.states import TABLE
from server.cli import app
from server.settings import PREFIX, describe
from tests.kit.conformance import FILE, ROOT, check, read

README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
SKIPPED_FOLDERS = {".venv", ".git", "node_modules", "data", "build"}
FEATURES = {"K": 11, "P": 7, "E": 6, "F": 11, "L": 11}  # how many each source system has


def _documents() -> list[Path]:
    found = (path for path in ROOT.rglob("*.md") if not SKIPPED_FOLDERS & set(path.relative_to(ROOT).parts))
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts))


def _fenced(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


# -- settings


def settings_rows() -> list[str]:
    """The rows of README's table of settings."""
    rows = []
    for key, default, meaning in describe():
        shown = {"": "empty", "None": "none"}.get(default, f"`{default}`")
        variable = PREFIX + key.upper().replace(".", "__")
        rows.append(f"| `{key}` | `{variable}` | {shown} | {meaning.replace('|', '/')} |")
    return rows


def test_every_setting_stands_in_the_readme_with_its_variable_default_and_meaning() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    missing = [row for row in settings_rows() if row not in lines]
    assert not missing, "README.md lacks:\n" + "\n".join(missing)


def test_the_readme_names_no_setting_that_does_not_exist() -> None:
    known = {PREFIX + key.upper().replace(".", "__") for key, _, _ in describe()}
    named = set(re.findall(r"FIELDLOOM_[A-Z0-9]+(?:_[A-Z0-9]+)*(?:__[A-Z0-9_]+)?", README.read_text(encoding="utf-8")))
    assert named - known <= {"FIELDLOOM_SETTINGS", "FIELDLOOM_SECTION__KEY"}


def test_every_setting_says_what_it_means() -> None:
    assert [key for key, _, meaning in describe() if not meaning.strip()] == []


# -- commands


def _commands() -> Iterator[str]:
    def below(command: Any, words: str) -> Iterator[str]:
        children = getattr(command, "commands", None)
        if not children:
            yield words
            return
        for name, child in children.items():
            yield from below(child, f"{words} {name}")

    yield from below(typer.main.get_command(app), "fieldloom")


def test_every_command_stands_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    assert [command for command in _commands() if not re.search(rf"`{command}\b", text)] == []


def test_documents_name_no_command_that_does_not_exist() -> None:
    known = set(_commands())
    groups = {" ".join(command.split()[:2]) for command in known}
    wrong = []
    for path in _documents():
        for words in re.findall(
            r"(?:^|`|    )(fieldloom(?: [a-z]+){1,2})", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            parts = words.split()
            if words not in known and " ".join(parts[:2]) not in known and words not in groups:
                wrong.append(f"{path.name}: {words}")
    assert wrong == []


# -- HTTP and MQTT


def _routes() -> Iterator[tuple[str, str]]:
    for module in pkgutil.iter_modules(server.console.routes.__path__):
        router = importlib.import_module(f"server.console.routes.{module.name}").router
        for route in router.routes:
            if isinstance(route, APIRoute):
                for method in (route.methods or set()) - {"HEAD"}:
                    yield method, re.sub(r":\w+\}", "}", route.path)


def test_every_route_stands_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    assert [f"{method} {path}" for method, path in _routes() if f"| `{method}` | `{path}` |" not in text] == []


def _package_bindings() -> list[dict[str, Any]]:
    files = sorted((ROOT / "fdi_packages" / "src").glob("*/mqtt.toml"))
    return [tomllib.loads(path.read_text(encoding="utf-8")) for path in files]


def test_every_topic_of_the_packages_stands_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    topics = [message["topic"] for binding in _package_bindings() for message in binding["message"]]
    for binding in _package_bindings():
        topics += [binding[table][key] for table in ("commands",) if table in binding for key in ("topic", "response")]
    assert topics
    assert [topic for topic in topics if f"`{topic}`" not in text] == []


def test_every_key_of_a_binding_is_explained_in_the_example() -> None:
    """Keys, not the names on their left: identifiers of parameters and nameplate facts are the package's own."""
    example = (ROOT / "docs" / "examples" / "mqtt.toml").read_text(encoding="utf-8")

    def keys(table: dict[str, Any], own: bool) -> Iterator[str]:
        for key, value in table.items():
            if not own:
                yield key
            for entry in value if isinstance(value, list) else [value]:
                if isinstance(entry, dict):
                    yield from keys(entry, key in ("parameters", "attributes", "label", "description"))

    used = {key for binding in _package_bindings() for key in keys(binding, False)}
    assert [key for key in sorted(used) if not re.search(rf"\b{key}\b", example)] == []


# -- architecture


def alarm_diagram() -> str:
    """The alarm life cycle as the documents draw it, from the table that the engine follows."""
    lines = ["stateDiagram-v2", f"    [*] --> {next(iter(TABLE))[0].name}"]
    lines += [f"    {state.name} : {state.value}" for state in dict.fromkeys(state for state, _ in TABLE)]
    lines += [f"    {state.name} --> {after.name} : {event.value}" for (state, event), after in TABLE.items()]
    return "\n".join(lines) + "\n"


def test_the_alarm_diagram_is_the_table() -> None:
    drawn = [block for block in _fenced(ARCHITECTURE, "mermaid") if block.startswith("stateDiagram-v2")]
    assert drawn.count(alarm_diagram()) == 1


def test_the_rooms_of_the_architecture_are_those_of_the_linter() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    (drawn,) = (block for block in _fenced(ARCHITECTURE, "text") if block.startswith("server.cli"))
    assert [line.split("  ")[0].strip() for line in drawn.splitlines()] == layers


# -- snippets, links, claims


@pytest.mark.parametrize("path", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_python_in_the_documents_compiles(path: Path) -> None:
    for source in _fenced(path, "python"):
        ast.parse(source, filename=str(path))


def test_the_readme_shows_a_client_that_operates() -> None:
    """Names in the snippet are those of the library, so that a copy of it runs."""
    asyncua = importlib.import_module("asyncua")
    policies = importlib.import_module("asyncua.crypto.security_policies")
    sources = "\n".join(_fenced(README, "python"))
    assert "SecurityPolicyBasic256Sha256" in sources
    assert hasattr(policies, "SecurityPolicyBasic256Sha256")
    for name in set(re.findall(r"ua\.ObjectIds\.(\w+)", sources)):
        assert hasattr(asyncua.ua.ObjectIds, name)


@pytest.mark.parametrize("path", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in _anchors(file)):
            broken.append(target)
    assert broken == []


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_claim_names_tests_that_exist() -> None:
    problems: list[str] = []
    check(read(FILE, problems), ROOT, None, problems)
    assert problems == []


def test_every_feature_of_the_plant_has_a_claim() -> None:
    claimed = {claim.id for claim in read(FILE, [])}
    wanted = {f"{letter}{number}" for letter, count in FEATURES.items() for number in range(1, count + 1)}
    assert wanted - claimed == set()
