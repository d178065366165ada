"""The alarms that somebody must still see, and the button that acknowledges one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from server.console.context import ConsoleContext
from server.console.pages import look
from server.console.pages.fleet import Overview, alarm_rows
from server.console.pages.visitor import Visitor
from server.console.pages.words import Words
from server.core.errors import IntegrationError
from server.core.values import DeviceId
from server.security.access import Right

SHOWN = 60


class AlarmList:
    """Sorted: to acknowledge first, then by priority, then the newest."""

    def __init__(
        self,
        context: ConsoleContext,
        visitor: Visitor,
        words: Words,
        choose: Callable[[str, str], None],
        sign_in: Callable[[], None],
    ) -> None:
        self._context = context
        self._visitor = visitor
        self._words = words
        self._choose = choose
        self._sign_in = sign_in
        self._rows: list[dict[str, Any]] | None = None

    def build(self) -> None:
        """Make the elements."""
        words = self._words
        with ui.element("section").classes("fl-card").props(f'aria-label="{words("alarms")}"'):
            with ui.element("div").classes("fl-bar"):
                ui.html(words("alarms"), tag="h2")
                ui.element("div").classes("fl-space")
                self._more = ui.label("").classes("fl-note")
            with ui.element("div").classes("fl-alarms"):
                self._table = (
                    ui.table(columns=[], rows=[], row_key="id")
                    .props("grid hide-pagination hide-header hide-bottom")
                    .classes("fl-table")
                    .style("padding:0")
                )
                self._table.add_slot("item", f'<div style="width:100%">{look.ALARM_ROW}</div>')
                self._table.on("ack", lambda event: self._acknowledge(event.args))
                self._table.on("show", lambda event: self._show(event.args))
            self._calm = ui.label("").classes("fl-quiet")
            if not self._visitor.may(Right.ACKNOWLEDGE):
                ui.label(words("sign_in_first")).classes("fl-note")

    def refresh(self, found: Overview) -> None:
        """Show the alarms of now; only a change is sent."""
        names: dict[str, str] = {event.device_id: self._name(event.device_id) for event in found.alarms[:SHOWN]}
        rows = alarm_rows(found, self._words, names, SHOWN)
        for row in rows:
            row["mark"] = look.PRIORITY_MARKS[row["priority"]]
            row["look"] = [f"fl-p{row['priority']}" if row["active"] else "fl-gone", "fl-acked" if row["acked"] else ""]
            row["button"] = self._words("acknowledge")
        if rows == self._rows:
            return
        self._rows = rows
        self._table.rows = rows
        self._calm.set_text("" if rows else self._words("no_alarms"))
        self._more.set_text(f"{SHOWN} / {len(found.alarms)}" if len(found.alarms) > SHOWN else "")

    def _name(self, device_id: DeviceId) -> str:
        device = self._context.plant.devices.get(device_id)
        return device.name if device is not None and device.name else device_id

    def _show(self, row: object) -> None:
        if isinstance(row, dict):
            self._choose(str(row.get("device", "")), str(row.get("parameter", "")))

    async def _acknowledge(self, row: object) -> None:
        caller = await self._visitor.caller_now()
        if caller is None:
            self._sign_in()
            return
        if not isinstance(row, dict):
            return
        try:
            # The state that the operator saw, not whatever it has become meanwhile.
            event_id = bytes.fromhex(str(row.get("event", ""))) or None
            await self._context.pipeline.acknowledge(str(row.get("id", "")), event_id, "", caller)
        except ValueError:
            return
        except IntegrationError as error:
            ui.notify(error.text, type="warning", position="top")
            return
        ui.notify(f"{self._words('acknowledged')}: {row.get('id')}", position="top", color="secondary")
