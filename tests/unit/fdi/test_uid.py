"""UI descriptions of MENUs. Every document must fit client.xsd; what is shown is what the EDD's text says."""

from __future__ import annotations

from pathlib import Path

import pytest
import xmlschema
from lxml import etree

import server.fdi
from server.core.values import Scalar
from server.fdi.build import assemble, check_package, read_sources
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.uid import MAX_DEPTH, ui_description
from server.fdi.uid_scope import MAX_ELEMENTS
from tests.kit.actions import thing

SCHEMA = xmlschema.XMLSchema(str(Path(server.fdi.__file__).parent / "client.xsd"))
N = {"c": "http://fdi-cooperation.com/2010/client"}
PACKAGES = Path(__file__).parents[3] / "fdi_packages" / "src"

SHOWCASE = """
VARIABLE hidden_one { LABEL "H"; TYPE DOUBLE; VISIBILITY FALSE; }
VARIABLE gone { LABEL "Gone"; TYPE DOUBLE; VALIDITY FALSE; }
VARIABLE only_on { LABEL "Only on"; TYPE DOUBLE; VALIDITY IF (mode == 1) { TRUE; } ELSE { FALSE; } }
VARIABLE point { LABEL "P"; TYPE FLOAT; }
VARIABLE key { LABEL "Key"; TYPE PASSWORD (8); }
ARRAY curve { LABEL "Curve"; TYPE point; NUMBER_OF_ELEMENTS 3; }
COLLECTION OF VARIABLE pair { LABEL "Pair"; MEMBERS { A, limit; B, secret; C, mode; } }
METHOD zero { LABEL "|en|Zero|ru|Ноль"; HELP "Sets zero."; DEFINITION { } }
METHOD with (long a, long b) { LABEL "With"; DEFINITION { } }
METHOD unseen { LABEL "Unseen"; PRIVATE TRUE; DEFINITION { } }
AXIS up { LABEL "Up"; MIN_VALUE 0; MAX_VALUE limit; SCALING LOGARITHMIC; CONSTANT_UNIT "%"; }
SOURCE curves { LABEL "Curves"; MEMBERS { L, level; } Y_AXIS up; LINE_TYPE DATA1; LINE_COLOR 0x00FF10; EMPHASIS TRUE; }
CHART trend { LABEL "Trend"; TYPE SCOPE; CYCLE_TIME 500; LENGTH 60000; HEIGHT LARGE; WIDTH SMALL;
    MEMBERS { ONE, curves; } }
WAVEFORM wave { LABEL "Wave"; TYPE YT { X_INITIAL 1; X_INCREMENT 0.5; NUMBER_OF_POINTS 3; Y_VALUES { curve } }
    Y_AXIS up; KEY_POINTS { X_VALUES { 1.5 } Y_VALUES { level } } HANDLING READ; }
GRAPH drawing { LABEL "Drawing"; X_AXIS up; MEMBERS { W, wave; } CYCLE_TIME 2000; }
GRID table { LABEL "Table"; ORIENTATION HORIZONTAL; HANDLING READ;
    VECTORS { { "First", limit, level } { "Second", mode, "free" } } }
IMAGE picture { LABEL "Picture"; PATH "|en|a.png|ru|b.png"; LINK "http://example.org/"; }
PLUGIN tuner { LABEL "Tuner"; UUID "{1B9D6BCD-BBFD-4B2D-9B5D-AB8DFBBD4BED}"; }
MENU page { LABEL "Page"; STYLE PAGE; ITEMS { level, inner } }
MENU inner { LABEL "Inner"; ITEMS { limit (READ_ONLY) } }
MENU window { LABEL "Window"; STYLE WINDOW; ITEMS { level } }
MENU all { LABEL "|en|All|ru|Всё"; HELP "Everything."; STYLE DIALOG; ITEMS {
    "|en|Static|ru|Текст", COLUMNBREAK, ROWBREAK, SEPARATOR,
    limit (DISPLAY_VALUE, REVIEW, NO_LABEL, NO_UNIT), level, mode (HIDDEN), note, key, count,
    hidden_one, gone, only_on, secret, pair, curve, page (READ_ONLY), window, zero, with (2, 3 + 4), unseen,
    trend, drawing, table, picture (INLINE), tuner,
    IF (mode == 1) { inner } ELSE { window } } }
MENU loop_a { LABEL "A"; STYLE GROUP; ITEMS { level, loop_b } }
MENU loop_b { LABEL "B"; STYLE GROUP; ITEMS { loop_a } }
"""


class Values(dict[str, Scalar]):
    """Values by name."""

    def value(self, name: str) -> Scalar | None:
        return self.get(name)


@pytest.fixture(scope="module")
def logic() -> TypeLogic:
    found: TypeLogic = thing(SHOWCASE).logic
    return found


def described(logic: TypeLogic, menu: str = "all", *locales: str, **values: Scalar) -> etree._Element:
    held = Values({"mode": 1, "limit": 40.0, "level": 3.0} | values)
    text = ui_description(logic, menu, held, locales, lambda kind, name: f"{kind}:{name}")
    SCHEMA.validate(text)
    return etree.fromstring(text.encode())


def names(root: etree._Element, tag: str) -> list[str | None]:
    return [element.get("Name") for element in root.findall(f"c:Menu/c:Items/c:{tag}", N)]


def one(root: etree._Element, path: str) -> etree._Element:
    found = root.find(path, N)
    assert found is not None, path
    return found


def test_items_come_in_their_order_and_what_is_not_shown_is_left_out(logic: TypeLogic) -> None:
    root = described(logic)
    items = one(root, "c:Menu/c:Items")
    kinds = [etree.QName(item).localname for item in items]
    assert kinds == [
        "Text", "ColumnBreak", "RowBreak", "Separator",
        *["Parameter"] * 7,  # limit, level, mode, note, key, count, only_on: not hidden_one, gone, secret
        "Menu", "Menu", "Menu", "MenuReference", "ActionReference", "ActionReference",
        "Chart", "Graph", "Grid", "Image", "PlugIn", "Menu",
    ]  # fmt: skip
    assert names(root, "Parameter") == ["limit", "level", "mode", "note", "key", "count", "only_on"]


def test_conditions_are_decided_for_the_values_at_hand(logic: TypeLogic) -> None:
    off = described(logic, mode=0)
    assert "only_on" not in names(off, "Parameter")
    assert (names(off, "Menu"), names(off, "MenuReference")) == (["pair", "curve", "page"], ["window", "window"])


def test_texts_are_in_the_readers_language(logic: TypeLogic) -> None:
    root = described(logic, "all", "ru-RU")
    menu = one(root, "c:Menu")
    assert (menu.findtext("c:Label", namespaces=N), menu.findtext(".//c:Text", namespaces=N)) == ("Всё", "Текст")
    assert one(root, ".//c:ActionReference").findtext("c:Label", namespaces=N) == "Ноль"
    assert one(root, ".//c:Image").get("Path") == "image:b.png"
    assert menu.findtext("c:Help", namespaces=N) == "Everything."  # no Russian text: English


def test_a_parameter_carries_what_a_client_needs_to_edit_it(logic: TypeLogic) -> None:
    limit, level = (
        one(described(logic), ".//c:Parameter[@Name='limit']"),
        one(described(logic), ".//c:Parameter[@Name='level']"),
    )
    shown = dict(limit.attrib)
    assert shown == {
        "Name": "limit", "Path": "parameter:limit",
        "DisplayValue": "true", "Review": "true", "NoLabel": "true", "NoUnit": "true",
    }  # fmt: skip
    numeric = one(limit, "c:Type/c:NumericType")
    assert (numeric.get("DataType"), numeric.get("Unit")) == ("Double", "%")
    assert one(numeric, "c:Range").attrib == {"Minimum": "0.0", "Maximum": "100.0"}
    assert level.get("ReadOnly") == "true"  # HANDLING READ
    key = one(described(logic), ".//c:Parameter[@Name='key']/c:Type/c:StringType")
    assert (key.get("Length"), key.get("Password")) == ("8", "true")


def test_collections_and_arrays_show_their_members_but_never_private_ones(logic: TypeLogic) -> None:
    root = described(logic)
    inner = {
        menu.get("Name"): [element.get("Name") for element in menu.findall("c:Items/c:Parameter", N)]
        for menu in root.findall("c:Menu/c:Items/c:Menu", N)
    }
    assert inner["pair"] == ["limit", "mode"]
    assert inner["curve"] == ["curve_0", "curve_1", "curve_2"]
    assert "secret" not in etree.tostring(root, encoding="unicode")


def test_pages_are_drawn_inside_and_windows_referred_to(logic: TypeLogic) -> None:
    root = described(logic)
    page = one(root, ".//c:Menu[@Name='page']")
    assert (page.get("Style"), page.get("ReadOnly")) == ("Page", "true")
    inner = one(page, ".//c:Menu[@Name='inner']")
    assert inner.get("Style") == "Group"  # no STYLE of its own
    assert one(inner, ".//c:Parameter").get("ReadOnly") == "true"
    reference = one(root, ".//c:MenuReference")
    assert dict(reference.attrib) == {"Name": "window", "Style": "Window", "Path": "menu:window"}


def test_methods_become_actions_with_their_arguments(logic: TypeLogic) -> None:
    root = described(logic)
    actions = root.findall(".//c:ActionReference", N)
    assert [(each.get("Name"), each.get("Path")) for each in actions] == [
        ("zero", "action:zero"), ("with", "action:with"),
    ]  # fmt: skip
    assert [each.text for each in actions[1].findall("c:Argument", N)] == ["2", "7"]


def test_charts_carry_sources_and_axes_as_they_are_now(logic: TypeLogic) -> None:
    chart = one(described(logic, limit=55.0), ".//c:Chart")
    assert [chart.findtext(f"c:{name}", namespaces=N) for name in ("Length", "Type", "CycleTime")] == [
        "60000", "Scope", "500",
    ]  # fmt: skip
    assert (chart.get("Height"), chart.get("Width")) == ("LARGE", "SMALL")
    assert dict(one(chart, ".//c:Axis").attrib) == {
        "Name": "up", "Minimum": "0.0", "Maximum": "55.0", "Scaling": "Logarithmic", "Unit": "%",
    }  # fmt: skip
    source = one(chart, ".//c:Source")
    assert (source.get("Axis"), source.get("LineColor"), source.get("Emphasis")) == ("up", "#00FF10", "true")
    assert [each.get("Name") for each in source.findall("c:Parameter", N)] == ["level"]


def test_graphs_and_grids_refer_to_parameters(logic: TypeLogic) -> None:
    root = described(logic)
    wave = one(root, ".//c:Graph//c:Waveform")
    assert (wave.get("Type"), wave.get("XInitial"), wave.get("XIncrement"), wave.get("NumberOfPoints")) == (
        "YT", "1.0", "0.5", "3",
    )  # fmt: skip
    assert [each.get("Name") for each in wave.findall("c:YValues/c:Parameter", N)] == ["curve_0", "curve_1", "curve_2"]
    assert wave.findtext("c:KeyXValues/c:Value", namespaces=N) == "1.5"
    grid = one(root, ".//c:Grid")
    assert grid.get("Orientation") == "Horizontal"
    cells = [[etree.QName(cell).localname for cell in vector] for vector in grid.findall("c:Vector", N)]
    assert cells == [["Label", "Parameter", "Parameter"], ["Label", "Parameter", "Text"]]
    assert all(each.get("ReadOnly") == "true" for each in grid.findall(".//c:Parameter", N))


def test_images_and_plug_ins_are_found_by_path(logic: TypeLogic) -> None:
    root = described(logic)
    assert dict(one(root, ".//c:Image").attrib) == {
        "Name": "picture", "Path": "image:a.png", "Link": "http://example.org/", "Inline": "true",
    }  # fmt: skip
    uip = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
    assert dict(one(root, ".//c:PlugIn").attrib) == {"Name": "tuner", "Path": f"plugin:{uip}", "UipId": uip}


def test_menus_that_contain_one_another_end(logic: TypeLogic) -> None:
    root = described(logic, "loop_a")
    assert [each.get("Name") for each in root.iter(f"{{{N['c']}}}Menu")] == ["loop_a", "loop_b"]
    assert one(root, ".//c:MenuReference").get("Name") == "loop_a"


def test_a_menu_that_is_not_there_is_an_error(logic: TypeLogic) -> None:
    with pytest.raises(KeyError):
        described(logic, "nothing")


def test_menus_that_multiply_are_cut_off() -> None:
    # Each of eight levels names the next ten times: 10 ** 8 entries if nobody counted.
    levels = "".join(
        f"MENU level_{n} {{ STYLE GROUP; ITEMS {{ {', '.join([f'level_{n + 1}'] * 10)} }} }}\n"
        for n in range(MAX_DEPTH)
    )
    logic = thing(levels + f"MENU level_{MAX_DEPTH} {{ ITEMS {{ level }} }}").logic
    root = described(logic, "level_0")
    assert sum(1 for _ in root.iter()) < 5 * MAX_ELEMENTS
    assert one(root, "c:Menu").get("Truncated") == "true"


@pytest.mark.parametrize("name", sorted(path.name for path in PACKAGES.iterdir()))
@pytest.mark.parametrize("locale", ["en", "ru"])
def test_every_menu_of_the_packages_is_described(name: str, locale: str) -> None:
    device_type = check_package(assemble(read_sources(PACKAGES / name))[0]).device_types[0]
    for menu in device_type.logic.model.menus:
        root = described(device_type.logic, menu, locale)
        assert one(root, "c:Menu").get("Name") == menu
