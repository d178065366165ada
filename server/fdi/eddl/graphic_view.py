"""Plots, tables, pictures and dialogs to the static view."""

from __future__ import annotations

from typing import TypedDict

from server.fdi.eddl.graphics import (
    EddAxis,
    EddChart,
    EddEditDisplay,
    EddGraph,
    EddGrid,
    EddImage,
    EddPlugin,
    EddSource,
    EddWaveform,
    GridVector,
)
from server.fdi.eddl.nodes import Attribute, Content, Group, ListItem, TypeSpec
from server.fdi.eddl.reading import Reader, plain
from server.fdi.eddl.static_view import list_items
from server.fdi.eddl.texts import NO_TEXT, Texts

CHART_TYPES = frozenset({"GAUGE", "HORIZONTAL_BAR", "VERTICAL_BAR", "SCOPE", "STRIP", "SWEEP"})
WAVEFORM_TYPES = frozenset({"YT", "XY", "HORIZONTAL", "VERTICAL"})


class _Drawing(TypedDict):
    y_axis: str | None
    line_type: str | None
    line_color: int | None
    emphasis: bool
    init_actions: tuple[str, ...]
    refresh_actions: tuple[str, ...]
    exit_actions: tuple[str, ...]


def _drawing(reader: Reader) -> _Drawing:
    return _Drawing(
        y_axis=reader.reference("Y_AXIS"),
        line_type=reader.reference("LINE_TYPE"),
        line_color=reader.whole("LINE_COLOR"),
        emphasis=reader.flag("EMPHASIS", otherwise=False),
        init_actions=reader.references("INIT_ACTIONS"),
        refresh_actions=reader.references("REFRESH_ACTIONS"),
        exit_actions=reader.references("EXIT_ACTIONS"),
    )


def axis(reader: Reader) -> EddAxis:
    """The static view of an AXIS."""
    low, high = reader.number("MIN_VALUE"), reader.number("MAX_VALUE")
    if low is not None and high is not None and low > high and not {"MIN_VALUE", "MAX_VALUE"} & reader.dynamic:
        text = f"{reader.owner}: MIN_VALUE {low} is above MAX_VALUE {high}"
        reader.view.findings.add(reader.construct.position, "range", text)
    return EddAxis(
        min_value=low,
        max_value=high,
        scaling=reader.word("SCALING") or "LINEAR",
        constant_unit=reader.texts("CONSTANT_UNIT") or None,
        **reader.common(),
    )


def source(reader: Reader) -> EddSource:
    """The static view of a SOURCE."""
    return EddSource(members=reader.members(), **_drawing(reader), **reader.common())


def chart(reader: Reader) -> EddChart:
    """The static view of a CHART."""
    kind = _type_word(reader) or "STRIP"
    if kind not in CHART_TYPES:
        reader.view.findings.warn(reader.construct.position, "type-unknown", f"{reader.owner}: TYPE {kind}")
    cycle, length = reader.whole("CYCLE_TIME"), reader.whole("LENGTH")
    return EddChart(
        members=reader.members(),
        type=kind,
        cycle_time_ms=1000 if cycle is None else cycle,
        length_ms=600_000 if length is None else length,
        height=reader.word("HEIGHT"),
        width=reader.word("WIDTH"),
        **reader.common(),
    )


def graph(reader: Reader) -> EddGraph:
    """The static view of a GRAPH."""
    return EddGraph(
        members=reader.members(),
        x_axis=reader.reference("X_AXIS"),
        cycle_time_ms=reader.whole("CYCLE_TIME"),
        height=reader.word("HEIGHT"),
        width=reader.word("WIDTH"),
        **reader.common(),
    )


def waveform(reader: Reader) -> EddWaveform:
    """The static view of a WAVEFORM."""
    kind = _type_word(reader) or "XY"
    if kind not in WAVEFORM_TYPES:
        reader.view.findings.add(reader.construct.position, "type-unknown", f"{reader.owner}: TYPE {kind}")
    inner = _type_attributes(reader)
    numbers = {name: reader.view.value(inner.get(name), reader.dynamic) for name in _NUMBERS}
    points = numbers["NUMBER_OF_POINTS"]
    readable, writable = reader.access()
    return EddWaveform(
        type=kind,
        readable=readable,
        writable=writable,
        x_initial=_decimal(numbers["X_INITIAL"]),
        x_increment=_decimal(numbers["X_INCREMENT"]),
        number_of_points=points if isinstance(points, int) else None,
        x_values=reader.values("X_VALUES", list_items(inner.get("X_VALUES"))),
        y_values=reader.values("Y_VALUES", list_items(inner.get("Y_VALUES"))),
        key_x_values=reader.values("X_VALUES", reader.group("KEY_POINTS", "X_VALUES")),
        key_y_values=reader.values("Y_VALUES", reader.group("KEY_POINTS", "Y_VALUES")),
        **_drawing(reader),
        **reader.common(),
    )


_NUMBERS = ("X_INITIAL", "X_INCREMENT", "NUMBER_OF_POINTS")


def _decimal(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _type_word(reader: Reader) -> str | None:
    found = reader.attribute("TYPE")
    return found.value.reference.name if found is not None and isinstance(found.value, TypeSpec) else None


def _type_attributes(reader: Reader) -> dict[str, Attribute]:
    spec = reader.attribute("TYPE")
    items: tuple[Content, ...] = spec.value.items if spec is not None and isinstance(spec.value, TypeSpec) else ()
    return {item.name: item for item, _ in reader.view.items(items) if isinstance(item, Attribute)}


def grid(reader: Reader) -> EddGrid:
    """The static view of a GRID."""
    vectors: list[GridVector] = []
    for item, _ in reader.listed("VECTORS"):
        if not isinstance(item.value, Group):
            text = f'{reader.owner}: VECTORS holds groups such as {{ "title", reference }}'
            reader.view.findings.add(item.position, "vector", text)
            continue
        inner = [part for part, _ in reader.view.items(item.value.items) if isinstance(part, ListItem)]
        title = reader.view.text_of(inner[0].value) if inner else None
        cells = [cell for part in inner[title is not None :] if (cell := _cell(part, reader)) is not None]
        vectors.append(GridVector(title or NO_TEXT, tuple(cells)))
    readable, writable = reader.access()
    return EddGrid(
        vectors=tuple(vectors),
        orientation=reader.word("ORIENTATION") or "VERTICAL",
        readable=readable,
        writable=writable,
        height=reader.word("HEIGHT"),
        width=reader.word("WIDTH"),
        **reader.common(),
    )


def _cell(item: ListItem, reader: Reader) -> str | Texts | None:
    return reader.view.text_of(item.value) or plain(item)


def image(reader: Reader) -> EddImage:
    """The static view of an IMAGE."""
    if reader.attribute("PATH") is None:
        reader.view.findings.warn(reader.construct.position, "path", f"{reader.owner} has no PATH")
    return EddImage(path=reader.texts("PATH"), link=reader.string("LINK"), **reader.common())


def plugin(reader: Reader) -> EddPlugin:
    """The static view of a PLUGIN; the UUID may stand as text or as a name."""
    attribute = reader.attribute("UUID")
    uuid = reader.string("UUID")
    if uuid is None and attribute is None:
        reader.view.findings.warn(reader.construct.position, "uuid", f"{reader.owner} has no UUID")
    return EddPlugin(uuid=uuid, **reader.common())


def edit_display(reader: Reader) -> EddEditDisplay:
    """The static view of an EDIT_DISPLAY."""
    return EddEditDisplay(
        edit_items=reader.references("EDIT_ITEMS"),
        display_items=reader.references("DISPLAY_ITEMS"),
        pre_edit_actions=reader.references("PRE_EDIT_ACTIONS"),
        post_edit_actions=reader.references("POST_EDIT_ACTIONS"),
        **reader.common(),
    )
