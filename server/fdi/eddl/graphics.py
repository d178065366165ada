"""CHART, SOURCE, AXIS, GRAPH, WAVEFORM, GRID, IMAGE, PLUGIN and EDIT_DISPLAY in the static view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.fdi.eddl.texts import NO_TEXT, Described, Member, Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class EddAxis(Described):
    """An AXIS; a bound is None when open or known only with a device."""

    min_value: float | None = None
    max_value: float | None = None
    scaling: str = "LINEAR"
    constant_unit: Texts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn(Described):
    """How a curve is drawn: the word after LINE_TYPE, the colour as 0xRRGGBB, and METHODs around it."""

    y_axis: str | None = None
    line_type: str | None = None
    line_color: int | None = None
    emphasis: bool = False
    init_actions: tuple[str, ...] = ()
    refresh_actions: tuple[str, ...] = ()
    exit_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EddSource(Drawn):
    """A SOURCE: VARIABLEs shown as curves of a CHART."""

    members: Mapping[str, Member] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EddChart(Described):
    """A CHART of SOURCEs; `cycle_time_ms` between two readings, `length_ms` shown at once."""

    members: Mapping[str, Member] = field(default_factory=dict)
    type: str = "STRIP"
    cycle_time_ms: int = 1000
    length_ms: int = 600_000
    height: str | None = None
    width: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EddWaveform(Drawn):
    """A WAVEFORM: `type` is YT, XY, HORIZONTAL or VERTICAL; values are references or numbers as written."""

    type: str = "XY"
    readable: bool = True
    writable: bool = True
    x_initial: float | None = None
    x_increment: float | None = None
    number_of_points: int | None = None
    x_values: tuple[str, ...] = ()
    y_values: tuple[str, ...] = ()
    key_x_values: tuple[str, ...] = ()
    key_y_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EddGraph(Described):
    """A GRAPH of WAVEFORMs; without `cycle_time_ms` it is drawn once."""

    members: Mapping[str, Member] = field(default_factory=dict)
    x_axis: str | None = None
    cycle_time_ms: int | None = None
    height: str | None = None
    width: str | None = None


@dataclass(frozen=True, slots=True)
class GridVector:
    """A row or column: its title and its cells, references or texts as written."""

    title: Texts
    cells: tuple[str | Texts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EddGrid(Described):
    """A GRID; `orientation` tells how the vectors lie."""

    vectors: tuple[GridVector, ...] = ()
    orientation: str = "VERTICAL"
    readable: bool = True
    writable: bool = True
    height: str | None = None
    width: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EddImage(Described):
    """An IMAGE: file name by language, and the MENU, METHOD or address it leads to."""

    path: Texts = field(default_factory=lambda: NO_TEXT)
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EddPlugin(Described):
    """A PLUGIN: the UIP of the package with that UUID, as written."""

    uuid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EddEditDisplay(Described):
    """An EDIT_DISPLAY: a dialog of the time before MENUs."""

    edit_items: tuple[str, ...] = ()
    display_items: tuple[str, ...] = ()
    pre_edit_actions: tuple[str, ...] = ()
    post_edit_actions: tuple[str, ...] = ()
