"""One device: every value with unit, quality and age, its simple commands, and the trend of one of them."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import Any

from nicegui import ui

from server.console import shapes
from server.console.charts import chart
from server.console.context import ConsoleContext
from server.console.pages import look, trend
from server.console.pages.button import button
from server.console.pages.fleet import NOTHING, Overview, age_text, columns_of, drawable, panel_rows, unit_text
from server.console.pages.visitor import Visitor
from server.console.pages.words import Words
from server.core.errors import IntegrationError
from server.core.status import name_of
from server.core.values import Command, DeviceId
from server.history.downsample import Sample, sample
from server.model.device import Device
from server.security.access import Right

REDRAW_S = 2.0  # the whole chart is sent, so not with every value


class DevicePanel:
    """Two cards below the fleet: trend on the left, values on the right."""

    def __init__(self, context: ConsoleContext, visitor: Visitor, words: Words) -> None:
        self._context = context
        self._visitor = visitor
        self._words = words
        self.device_id = ""
        self._parameter = ""
        self._window = next(iter(trend.WINDOWS_S))
        self._samples: list[Sample] = []
        self._wanted: tuple[str, str, str] | None = None  # what the chart is to show
        self._drawn: tuple[str, str, str] | None = None
        self._drawn_at = float("-inf")
        self._rows: list[dict[str, Any]] = []
        self._commands_of = ""

    # -- elements

    def build(self) -> None:
        """Make the elements."""
        words = self._words
        with ui.element("section").classes("fl-card").props(f'aria-label="{words("trend")}"'):
            with ui.element("div").classes("fl-bar"):
                self._drawn_title = ui.html(words("trend"), tag="h2")
                ui.element("div").classes("fl-space")
                self._windows = {name: self._window_chip(name) for name in trend.WINDOWS_S}
            self._chart = ui.echart(trend.options({}, [], steps=False)).style("height:236px;width:100%")
            self._note = ui.label(words("choose_device")).classes("fl-note")
        with ui.element("section").classes("fl-card").props(f'aria-label="{words("values")}"'):
            with ui.element("div").classes("fl-bar"):
                self._title = ui.html("", tag="h2")
                self._told = ui.label("").classes("fl-note")
                ui.element("div").classes("fl-space")
                self._commands = ui.element("div").classes("fl-bar").style("margin:0")
            with ui.element("div").classes("fl-values"):
                columns = [
                    {"name": name, "label": words(name) if name != "unit" else "", "field": name, "align": align}
                    for name, align in (
                        ("parameter", "left"),
                        ("value", "right"),
                        ("unit", "left"),
                        ("quality", "left"),
                        ("age", "right"),
                    )
                ]
                self._table = (
                    ui.table(columns=columns, rows=[], row_key="id")
                    .props("dense flat hide-pagination hide-bottom")
                    .classes("fl-table")
                )
                self._table.add_slot("body", look.VALUE_ROW)
                self._table.on("draw", lambda event: self._draw(str(event.args)))

    def _window_chip(self, name: str) -> Any:
        pressed = str(name == self._window).lower()
        return button(name, lambda: self._choose_window(name), look="fl-chip", aria_pressed=pressed)

    # -- what the operator does

    def choose(self, device_id: str, parameter: str = "") -> None:
        """Show a device, and one of its values as a trend."""
        device = self._device(device_id)
        if device is None:
            return
        self.device_id = device_id
        names = [spec.name for spec in columns_of(device.device_type) if drawable(spec)]
        judged = [spec.parameter for spec in device.device_type.alarms]
        known = parameter in device.points and drawable(device.points[parameter].spec)
        self._parameter = (
            parameter if known else next((name for name in judged if name in names), next(iter(names), ""))
        )
        self._want()

    def _draw(self, parameter: str) -> None:
        self.choose(self.device_id, parameter)

    def _choose_window(self, name: str) -> None:
        self._window = name
        for other, chip in self._windows.items():
            chip.props["aria-pressed"] = str(other == name).lower()
        self._want()

    def _want(self) -> None:
        self._wanted = (self.device_id, self._parameter, self._window)

    async def _command(self, name: str, method: str) -> None:
        words, device_id = self._words, self.device_id
        with ui.dialog() as dialog, ui.card():
            ui.label(words("confirm", command=method, device=device_id))
            with ui.element("div").classes("fl-bar"):
                ui.button(words("send"), on_click=lambda: dialog.submit(True)).props("unelevated no-caps")
                ui.button(words("cancel"), on_click=lambda: dialog.submit(False)).props("flat no-caps")
        confirmed = await dialog
        dialog.delete()
        caller = await self._visitor.caller_now()
        if not confirmed or caller is None:
            return
        try:
            result = await self._context.pipeline.submit(Command(DeviceId(device_id), name, {}, caller))
        except IntegrationError as error:
            ui.notify(error.text, type="warning", position="top")
            return
        if result.ok:
            ui.notify(words("confirmed", device=device_id, command=method), position="top", color="secondary")
        else:
            ui.notify(f"{device_id}: {name_of(result.status)} {result.reason}", type="warning", position="top")

    # -- every second

    def _device(self, device_id: str) -> Device | None:
        return self._context.plant.devices.get(DeviceId(device_id))

    async def refresh(self, found: Overview) -> None:
        """Show the values of now."""
        device = self._device(self.device_id)
        if device is None:
            self.device_id = ""
            return
        self._show_values(device, found)
        self._show_commands(device)
        await self._show_trend(device)

    def _show_values(self, device: Device, found: Overview) -> None:
        now = self._context.clock.now()
        kind = device.device_type.label.best([self._words.language])[1]
        self._title.set_content(escape(device.name or device.device_id))
        heard = age_text(now - device.last_heard, self._words) if device.last_heard else NOTHING
        self._told.set_text(f"{kind} · {self._words(shapes.connection(device))} · {heard}")
        rows = panel_rows(device, found, self._words, now)
        for row in rows:
            row["chosen"] = row["id"] == self._parameter
        if rows != self._rows:
            self._rows = rows
            self._table.rows = rows

    def _show_commands(self, device: Device) -> None:
        if not self._visitor.may(Right.COMMAND) or self._commands_of == device.device_id:
            return
        self._commands_of = device.device_id
        self._commands.clear()
        with self._commands:
            for command in device.device_type.binding.commands:
                if command.arguments or not command.method or command.answer:
                    continue
                label = command.label.get(self._words.language) or command.method
                act = partial(self._command, command.name, command.method)
                button(label, act, look="fl-ack", data_command=command.name)

    async def _show_trend(self, device: Device) -> None:
        point = device.points.get(self._parameter)
        if point is None:
            self._note.set_text(self._words("no_numbers"))
            return
        now = self._context.clock.now()
        start = trend.window_start(now, self._window)
        moment = self._context.clock.monotonic()
        loaded = self._drawn != self._wanted and self._wanted is not None
        if loaded:
            wanted = self._wanted
            silence_s = device.device_type.binding.bad_after_s
            place = (device.device_id, self._parameter)
            drawn = await chart(
                self._context.history, place, start, now + 1, points=2 * trend.BUCKETS, silence_s=silence_s
            )
            self._samples = drawn.samples
            if wanted != self._wanted:
                return  # the operator has moved on while the history was read
            self._drawn = wanted
        # The newest value may not be in the history yet.
        latest = sample(point.source_time, point.value, point.status)
        fresh = latest is not None and (not self._samples or latest[0] > self._samples[-1][0])
        if not loaded and (not fresh or moment - self._drawn_at < REDRAW_S):
            return
        if latest is not None and fresh and point.source_time:
            self._samples.append(latest)
        self._samples = trend.trimmed(self._samples, start / 1000)
        self._drawn_at = moment
        self._note.set_text("" if self._samples else self._words("no_history"))
        self._redraw(device)

    def _redraw(self, device: Device) -> None:
        spec = device.points[self._parameter].spec
        label = spec.label.best([self._words.language])[1] or spec.name
        state = self._context.pipeline.alarms.state(f"{device.device_id}/Alarms/{self._parameter}")
        limits = state.limits if state is not None else {}
        steps = bool(spec.enum_values) or not spec.data_type.numeric
        self._chart.options.clear()
        unit = unit_text(spec, self._words)
        name = escape(device.name or device.device_id)
        self._drawn_title.set_content(f"{name}: {escape(label)}{f', {escape(unit)}' if unit else ''}")
        now = self._context.clock.now()
        start_ms, end_ms = trend.window_start(now, self._window) / 1000, now / 1000
        self._chart.options.update(trend.options(limits, self._samples, start_ms=start_ms, end_ms=end_ms, steps=steps))
        self._chart.update()
