"""The start page: fleet with live values, alarms to acknowledge, one trend, packages."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from nicegui import Client, ui

from server.console.auth import COOKIE, address_of, caller_of, current_session
from server.console.context import ConsoleContext
from server.console.pages import look
from server.console.pages.alarm_list import AlarmList
from server.console.pages.button import button
from server.console.pages.device_panel import DevicePanel
from server.console.pages.fleet import Overview, overview
from server.console.pages.fleet_table import FleetTable
from server.console.pages.visitor import Visitor
from server.console.pages.words import Words
from server.security.access import Right

PERIOD_S = 1.0
OPEN_PAGES = 400
LANGUAGE_COOKIE = "fieldloom_language"


class Counted:
    """The plant in figures, made at most twice a second however many pages are open."""

    AGE_S = 0.5

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context
        self._made = float("-inf")
        self._found = Overview()

    def now(self) -> Overview:
        """The newest figures."""
        moment = self._context.clock.monotonic()
        if moment - self._made >= self.AGE_S:
            context = self._context
            self._found = overview(context.plant.devices.values(), context.pipeline.alarms.retained())
            self._made = moment
        return self._found


def register(context: ConsoleContext) -> None:
    """Serve the page at `/`."""
    counted = Counted(context)

    async def start_page(request: Request) -> Response | None:
        words = Words(request.cookies.get(LANGUAGE_COOKIE, ""))
        if len(Client.instances) > OPEN_PAGES:
            return Response(words("busy"), 503, {"Retry-After": "30"}, media_type="text/plain")
        token = request.cookies.get(COOKIE, "")[:256]
        session = await current_session(context, token)
        address = address_of(request)
        caller = caller_of(session, address) if session is not None else None
        page = StartPage(context, counted, Visitor(context, token, address, caller), words)
        page.build()
        return None

    ui.page("/", response_timeout=10.0)(start_page)


class StartPage:
    """One browser's page."""

    def __init__(self, context: ConsoleContext, counted: Counted, visitor: Visitor, words: Words) -> None:
        self._context = context
        self._counted = counted
        self._visitor = visitor
        self._words = words
        self._public = context.settings.public_view
        self._tiles: dict[str, Any] = {}

    def build(self) -> None:
        """Make every element."""
        ui.colors(primary="#37474f", secondary="#546e7a", accent="#546e7a")
        ui.add_css(look.CSS)
        ui.add_body_html(look.SCRIPT)
        self._sign_in_dialog()
        self._top()
        if self._visitor.caller is None and not self._public:
            ui.label(self._words("sign_in_to_see")).classes("fl-quiet").style("padding:40px 24px;font-size:16px")
            self._dialog.open()
            return
        self._packages_dialog()
        self._panel = DevicePanel(self._context, self._visitor, self._words)
        self._fleet = FleetTable(self._context, self._words, self._panel.choose)
        self._alarms = AlarmList(self._context, self._visitor, self._words, self._panel.choose, self._dialog.open)
        with ui.element("main").classes("fl-grid"):
            self._fleet.build()
            self._alarms.build()
            self._panel.build()
        self._show(self._counted.now())
        ui.timer(PERIOD_S, self._refresh)

    # -- parts

    def _top(self) -> None:
        words, caller = self._words, self._visitor.caller
        with ui.element("header").classes("fl-top"):
            ui.label("Fieldloom").classes("fl-brand")
            for name, key in (
                ("devices", "devices"),
                ("silent", "silent_devices"),
                ("active", "alarms_active"),
                ("unacked", "alarms_unacked"),
            ):
                with ui.element("div").classes("fl-tile") as tile:
                    number = ui.element("b")
                    with number:
                        text = ui.label("–").mark(f"tile-{name}")
                    ui.label(words(key)).props("tag=span")
                self._tiles[name] = (tile, text)
            ui.element("div").classes("fl-space")
            if caller is not None:
                ui.label(f"{caller.user} · {caller.role}").classes("fl-who")
            if caller is not None or self._public:
                button(words("packages"), self._open_packages, data_button="packages")
            _link("/docs", words("api"))
            script = f"fieldloom.language('{words.other}')"
            button(words.other.upper(), None, script=script, data_button="language")
            if caller is None:
                button(words("sign_in"), self._dialog.open, data_button="sign-in")
            else:
                button(words("sign_out"), None, script="fieldloom.signOut()", data_button="sign-out")

    def _sign_in_dialog(self) -> None:
        words = self._words
        with ui.dialog() as self._dialog, ui.card():
            ui.label(words("sign_in")).style("font-weight:600;font-size:16px")
            ui.html(look.sign_in_form(words("user"), words("password"), words("sign_in")), sanitize=False)

    def _packages_dialog(self) -> None:
        words = self._words
        with ui.dialog() as self._package_dialog, ui.card().style("min-width:460px"):
            ui.label(words("installed")).style("font-weight:600;font-size:16px")
            self._package_list = ui.column().style("gap:2px")
            if self._visitor.may(Right.PACKAGES):
                ui.html(look.upload_form(words("choose_file"), words("upload")), sanitize=False)
            else:
                ui.label(words("upload_needs")).classes("fl-note")
        self._packages_shown: list[str] | None = None

    def _open_packages(self) -> None:
        self._list_packages()
        self._package_dialog.open()

    def _list_packages(self) -> None:
        shown = [
            " · ".join([*(_name(kind, self._words) for kind in entry.get("device_types", ())), str(entry["version"])])
            for entry in self._context.packages.list()
            if entry.get("current", True)
        ]
        if shown == self._packages_shown:
            return
        self._packages_shown = shown
        self._package_list.clear()
        with self._package_list:
            for text in shown:
                ui.label(text)

    # -- every second

    async def _refresh(self) -> None:
        if not self._public and await self._visitor.caller_now() is None:
            ui.run_javascript("location.reload()")
            return
        found = self._counted.now()
        self._show(found)
        await self._panel.refresh(found)
        if self._package_dialog.value:
            self._list_packages()

    def _show(self, found: Overview) -> None:
        for name, number, hot in (
            ("devices", found.devices, False),
            ("silent", found.silent, False),
            ("active", found.active, found.active > 0),
            ("unacked", found.unacked, found.unacked > 0),
        ):
            tile, text = self._tiles[name]
            text.set_text(str(number))
            tile.classes(add="fl-hot" if hot else "", remove="" if hot else "fl-hot")
        self._fleet.refresh(found, self._panel.device_id)
        self._alarms.refresh(found)
        if not self._panel.device_id:
            self._choose_first(found)

    def _choose_first(self, found: Overview) -> None:
        """Something worth looking at before anybody has chosen: the gravest alarm, else the first row."""
        event = next(iter(found.alarms), None)
        if event is not None:
            self._panel.choose(event.device_id, event.input_parameter)
        elif self._fleet.first:
            self._panel.choose(self._fleet.first)


def _link(target: str, text: str) -> None:
    with ui.element("a").props(f'href="{target}"'):
        ui.label(text).props("tag=span")


def _name(kind: dict[str, Any], words: Words) -> str:
    names = kind.get("name", {})
    return str(names.get(words.language) or names.get("en") or kind.get("type_id", ""))
