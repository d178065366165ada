"""Graphics in UI descriptions: CHART, GRAPH, GRID, IMAGE and PLUGIN as elements of `client.xsd`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from server.core.texts import Texts
from server.fdi.client_xml import Element, leaf, optional_leaf, text_of
from server.fdi.eddl.graphics import Drawn, EddChart, EddGraph, EddGrid, EddImage, EddPlugin, EddWaveform
from server.fdi.uid_scope import Scope

CHART_TYPES = {
    "GAUGE": "Gauge",
    "HORIZONTAL_BAR": "HorizontalBar",
    "VERTICAL_BAR": "VerticalBar",
    "SCOPE": "Scope",
    "STRIP": "Strip",
    "SWEEP": "Sweep",
}
SIZES = frozenset({"XX_SMALL", "X_SMALL", "SMALL", "MEDIUM", "LARGE", "X_LARGE", "XX_LARGE"})


def graphic(kind: str, name: str, qualifiers: Iterable[str], scope: Scope) -> Element | None:
    """The element of one graphic item, None when there is nothing to show; `kind` in lower case."""
    model = scope.model
    if kind == "chart" and name in model.charts:
        return _chart(model.charts[name], scope)
    if kind == "graph" and name in model.graphs:
        return _graph(model.graphs[name], scope)
    if kind == "grid" and name in model.grids:
        return _grid(model.grids[name], scope)
    if kind == "image" and name in model.images:
        return _image(model.images[name], qualifiers, scope)
    if kind == "plugin" and name in model.plugins:
        return _plugin(model.plugins[name], scope)
    return None


def _sized(height: str | None, width: str | None) -> dict[str, str | None]:
    return {"Height": height if height in SIZES else None, "Width": width if width in SIZES else None}


def _chart(chart: EddChart, scope: Scope) -> Element:
    sources: list[Element] = []
    axes: list[str] = []
    for member in chart.members.values():
        name = scope.item(member.target)
        source = scope.model.sources.get(name)
        if source is None:
            continue
        element = scope.labelled("Source", name, {"Name": name, **_drawn(source, axes, scope)})
        for curve in source.members.values():
            element.add(*scope.parameters(curve.target, read_only=True))
        sources.append(element)
    shown = scope.labelled("Chart", chart.name, {"Name": chart.name, **_sized(chart.height, chart.width)})
    return shown.add(
        leaf("Length", str(max(0, chart.length_ms))),
        leaf("Type", CHART_TYPES.get(chart.type, "Strip")),
        leaf("CycleTime", str(max(0, chart.cycle_time_ms))),
        _axes(axes, scope),
        Element("SourceList").add(*sources),
    )


def _drawn(drawn: Drawn, axes: list[str], scope: Scope) -> dict[str, str | None]:
    """How a curve is drawn; its axis is added to those of the whole."""
    return {
        "Axis": _axis_name(drawn.y_axis, axes, scope),
        "LineType": drawn.line_type,
        "LineColor": f"#{drawn.line_color & 0xFFFFFF:06X}" if drawn.line_color is not None else None,
        "Emphasis": "true" if drawn.emphasis else None,
    }


def _axis_name(reference: str | None, axes: list[str], scope: Scope) -> str | None:
    name = scope.item(reference)
    if name not in scope.model.axes:
        return None
    if name not in axes:
        axes.append(name)
    return name


def _axes(names: Sequence[str], scope: Scope) -> Element:
    found = Element("AxisList")
    for name in names:
        axis = scope.model.axes[name]
        found.add(
            scope.labelled(
                "Axis",
                name,
                {
                    "Name": name,
                    "Minimum": text_of(scope.number(name, "MIN_VALUE")),
                    "Maximum": text_of(scope.number(name, "MAX_VALUE")),
                    "Scaling": "Logarithmic" if axis.scaling == "LOGARITHMIC" else "Linear",
                    "Unit": scope.text(name, "CONSTANT_UNIT"),
                },
            )
        )
    return found


def _graph(graph: EddGraph, scope: Scope) -> Element:
    axes: list[str] = []
    x_axis = _axis_name(graph.x_axis, axes, scope)
    waveforms: list[Element] = []
    for member in graph.members.values():
        waveform = scope.model.waveforms.get(scope.item(member.target))
        if waveform is not None:
            waveforms.append(_waveform(waveform, axes, scope))
    shown = scope.labelled(
        "Graph", graph.name, {"Name": graph.name, **_sized(graph.height, graph.width), "XAxis": x_axis}
    )
    if graph.cycle_time_ms is not None:
        shown.add(leaf("CycleTime", str(max(0, graph.cycle_time_ms))))
    return shown.add(_axes(axes, scope), Element("WaveformList").add(*waveforms))


def _waveform(waveform: EddWaveform, axes: list[str], scope: Scope) -> Element:
    attributes: dict[str, str | None] = {
        "Name": waveform.name,
        "Type": waveform.type if waveform.type in ("YT", "XY", "HORIZONTAL", "VERTICAL") else "XY",
        **_drawn(waveform, axes, scope),
        "XInitial": text_of(waveform.x_initial),
        "XIncrement": text_of(waveform.x_increment),
        "NumberOfPoints": str(waveform.number_of_points) if waveform.number_of_points is not None else None,
        "ReadOnly": None if waveform.writable else "true",
    }
    element = scope.labelled("Waveform", waveform.name, attributes)
    for name, points in (
        ("XValues", waveform.x_values),
        ("YValues", waveform.y_values),
        ("KeyXValues", waveform.key_x_values),
        ("KeyYValues", waveform.key_y_values),
    ):
        if points:
            element.add(_points(name, points, scope, read_only=not waveform.writable))
    return element


def _points(name: str, points: Sequence[str], scope: Scope, *, read_only: bool) -> Element:
    found = Element(name)
    for point in points:
        try:
            value = float(point)
        except ValueError:
            found.add(*scope.parameters(point, read_only=read_only))
            continue
        if not scope.take():
            break
        found.add(leaf("Value", text_of(value)))
    return found


def _grid(grid: EddGrid, scope: Scope) -> Element:
    attributes = {
        "Name": grid.name,
        **_sized(grid.height, grid.width),
        "Orientation": "Horizontal" if grid.orientation == "HORIZONTAL" else "Vertical",
        "ReadOnly": None if grid.writable else "true",
    }
    element = scope.labelled("Grid", grid.name, attributes)
    for vector in grid.vectors:
        if not scope.take():
            break
        row = Element("Vector").add(optional_leaf("Label", scope.say(Texts(vector.title))))
        for cell in vector.cells:
            if isinstance(cell, str):
                row.add(*scope.parameters(cell, read_only=not grid.writable))
            else:
                row.add(leaf("Text", scope.say(Texts(cell))))
        element.add(row)
    return element


def _image(image: EddImage, qualifiers: Iterable[str], scope: Scope) -> Element | None:
    file = scope.say(Texts(image.path))
    if not file:
        return None
    attributes = {
        "Name": image.name,
        "Path": scope.target("image", file),
        "Link": _link(image.link, scope),
        "Inline": "true" if "INLINE" in qualifiers else None,
    }
    return scope.labelled("Image", image.name, attributes)


def _link(link: str | None, scope: Scope) -> str | None:
    if not link:
        return None
    if link in scope.model.menus:
        return scope.target("menu", link)
    return scope.target("action", link) if link in scope.model.methods else link


def _plugin(plugin: EddPlugin, scope: Scope) -> Element | None:
    if not plugin.uuid:
        return None
    uip_id = plugin.uuid.strip("{}").lower()
    attributes = {"Name": plugin.name, "Path": scope.target("plugin", uip_id), "UipId": uip_id}
    return scope.labelled("PlugIn", plugin.name, attributes)
