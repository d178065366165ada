"""The fleet: one type at a time, one page of rows, live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from nicegui import ui

from server.console.context import ConsoleContext
from server.console.pages import look
from server.console.pages.button import button
from server.console.pages.fleet import Choice, Overview, fleet_columns, fleet_rows
from server.console.pages.words import Words

SEARCH_LIMIT = 64


class FleetTable:
    """Chips for the types, a search field, the table, a pager."""

    def __init__(self, context: ConsoleContext, words: Words, choose: Callable[[str], None]) -> None:
        self._context = context
        self._words = words
        self._choose = choose
        self._choice = Choice("")
        self._found = Overview()
        self._chosen = ""
        self._types: list[tuple[str, int, int]] = []
        self._columns_of: object = None
        self._rows: list[dict[str, Any]] = []
        self._total = 0

    def build(self) -> None:
        """Make the elements."""
        words = self._words
        with ui.element("section").classes("fl-card").props(f'aria-label="{words("devices")}"'):
            with ui.element("div").classes("fl-bar"):
                self._chips = ui.element("div").classes("fl-bar").style("margin:0")
                ui.element("div").classes("fl-space")
                self._abnormal = self._chip(words("only_abnormal"), self._toggle_abnormal, "abnormal")
                label = words("filter")
                find = ui.element("input").classes("fl-find")
                find.props(f'type=search maxlength={SEARCH_LIMIT} placeholder="{label}" aria-label="{label}"')
                typed = "(event) => emit(event.target.value)"
                find.on("input", lambda event: self._search(event.args), throttle=0.3, js_handler=typed)
            self._table = (
                ui.table(columns=[], rows=[], row_key="id").props("dense flat hide-pagination").classes("fl-table")
            )
            self._table.add_slot("header", look.FLEET_HEADER)
            self._table.add_slot("body", look.FLEET_ROW)
            self._table.on("pick", lambda event: self._choose(str(event.args)))
            self._empty = ui.label("").classes("fl-quiet")
            with ui.element("div").classes("fl-pager"):
                self._pager = ui.label("")
                self._chip("‹", lambda: self._turn(-1), "previous")
                self._chip("›", lambda: self._turn(1), "next")

    def _chip(self, text: str, act: Callable[[], None], name: str) -> Any:
        return button(text, act, look="fl-chip", aria_pressed="false", data_button=name)

    @property
    def first(self) -> str:
        """The device in the first row, "" without one."""
        return str(self._rows[0]["id"]) if self._rows else ""

    # -- what the operator does

    def _pick_type(self, type_id: str) -> None:
        self._change(type_id=type_id, page=0)

    def _toggle_abnormal(self) -> None:
        self._change(abnormal_only=not self._choice.abnormal_only, page=0)
        self._abnormal.props["aria-pressed"] = str(self._choice.abnormal_only).lower()

    def _search(self, text: object) -> None:
        self._change(search=str(text or "")[:SEARCH_LIMIT], page=0)

    def _turn(self, step: int) -> None:
        last = max(0, (self._total - 1) // self._choice.page_size)
        self._change(page=min(last, max(0, self._choice.page + step)))

    def _change(self, **what: Any) -> None:
        self._choice = replace(self._choice, **what)
        self.refresh(self._found, self._chosen)

    # -- every second

    def refresh(self, found: Overview, chosen: str) -> None:
        """Show the values of now; only what changed is sent."""
        self._found, self._chosen = found, chosen
        plant = self._context.plant
        if self._choice.type_id not in plant.types:
            self._choice = replace(self._choice, type_id=next(iter(self._types_in_order()), ""), page=0)
        self._show_chips()
        device_type = plant.types.get(self._choice.type_id)
        if device_type is None:
            self._empty.set_text(self._words("nothing_yet"))
            return
        if self._columns_of is not device_type:
            self._columns_of = device_type
            self._table.columns = fleet_columns(device_type, self._words)
        language = [self._words.language]
        places = {key: facility.name.best(language)[1] for key, facility in plant.layout.facilities.items()}
        rows, total = fleet_rows(
            plant.devices_of(device_type.type_id), device_type, self._choice, found, self._words, places
        )
        if self._choice.page and not rows:
            self._choice = replace(self._choice, page=0)
        for row in rows:
            row["chosen"] = row["id"] == chosen
        if rows != self._rows:
            self._rows = rows
            self._table.rows = rows
        self._total = total
        first = self._choice.page * self._choice.page_size
        self._pager.set_text(f"{first + 1}–{first + len(rows)} / {total}" if rows else "")
        self._empty.set_text("" if rows else self._words("no_devices" if found.devices else "nothing_yet"))

    def _types_in_order(self) -> list[str]:
        """Few and large machines before many small ones; types without devices last."""
        count = self._found.by_type
        return sorted(self._context.plant.types, key=lambda name: (not count.get(name), count.get(name, 0), name))

    def _show_chips(self) -> None:
        found = self._found
        known = self._context.plant.types
        types = [(name, found.by_type.get(name, 0), found.troubled.get(name, 0)) for name in self._types_in_order()]
        shown = [*types, (self._choice.type_id, -1, -1)]
        if shown == self._types:
            return
        self._types = shown
        self._chips.clear()
        with self._chips:
            for type_id, count, troubled in types:
                label = known[type_id].label.best([self._words.language])[1] or type_id
                pressed = str(type_id == self._choice.type_id).lower()
                chip = button(
                    label,
                    partial(self._pick_type, type_id),
                    look="fl-chip",
                    aria_pressed=pressed,
                    data_type=type_id,
                )
                with chip:
                    ui.label(str(count)).classes("fl-count")
                    if troubled:
                        ui.label(str(troubled)).classes("fl-trouble")
