"""For each kind of construct: where the model keeps it and what makes its view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from server.fdi.eddl import command_view, component_view, graphic_view, storage_view
from server.fdi.eddl.reading import Reader
from server.fdi.eddl.texts import Described

View = Callable[[Reader], Described]

VIEWS: Final[Mapping[str, tuple[str, View]]] = MappingProxyType(
    {
        "COMMAND": ("commands", command_view.command),
        "RESPONSE_CODES": ("response_codes", command_view.shared_codes),
        "CHART": ("charts", graphic_view.chart),
        "SOURCE": ("sources", graphic_view.source),
        "AXIS": ("axes", graphic_view.axis),
        "GRAPH": ("graphs", graphic_view.graph),
        "WAVEFORM": ("waveforms", graphic_view.waveform),
        "GRID": ("grids", graphic_view.grid),
        "IMAGE": ("images", graphic_view.image),
        "PLUGIN": ("plugins", graphic_view.plugin),
        "EDIT_DISPLAY": ("edit_displays", graphic_view.edit_display),
        "FILE": ("files", storage_view.file),
        "LIST": ("lists", storage_view.list_),
        "BLOB": ("blobs", storage_view.blob),
        "TEMPLATE": ("templates", storage_view.template),
        "COMPONENT": ("components", component_view.component),
        "COMPONENT_FOLDER": ("component_folders", component_view.component_folder),
        "COMPONENT_REFERENCE": ("component_references", component_view.component_reference),
        "COMPONENT_RELATION": ("component_relations", component_view.component_relation),
        "INTERFACE": ("interfaces", component_view.interface),
        "BLOCK": ("blocks", component_view.block),
        "BLOCK_A": ("blocks", component_view.block),
        "BLOCK_B": ("blocks", component_view.block),
        "VARIABLE_LIST": ("variable_lists", component_view.variable_list),
        "PROGRAM": ("programs", component_view.program),
        "DOMAIN": ("domains", component_view.domain),
        "CONNECTION": ("connections", component_view.connection),
        "MODULE": ("modules", component_view.module),
    }
)
