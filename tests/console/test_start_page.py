"""The start page in a real browser: what an operator sees and does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from server.console.server import ConsoleServer
from server.core.clock import SECOND, SystemClock
from tests.kit.http import PASSWORDS, Site, make_site
from tests.kit.parts import require

pytestmark = pytest.mark.browser

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 15_000
SHOTS = os.environ.get("SCREENSHOTS")  # a folder to look at the pages in


class Browsed:
    """One page of one browser, and what it asked for and complained about."""

    def __init__(self, site: Site, url: str, page: Page) -> None:
        self.site = site
        self.url = url
        self.page = page
        self.foreign: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self._asked(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))

    def _asked(self, url: str) -> None:
        ours = self.url.split("://", 1)[1]
        if url.split("://", 1)[-1].split("/", 1)[0] != ours and not url.startswith(("data:", "blob:")):
            self.foreign.append(url)

    async def open(self) -> None:
        await self.page.goto(self.url)

    async def sign_in(self, role: str) -> None:
        await self.page.locator("[data-button=sign-in]").click()
        await self.fill_in(role, PASSWORDS[role])
        await expect(self.page.locator(".fl-who")).to_contain_text(role)

    async def fill_in(self, user: str, password: str) -> None:
        await self.page.locator("input[name=user]").fill(user)
        await self.page.locator("input[name=password]").fill(password)
        await self.page.locator("form.fl-form button[type=submit]").first.click()

    async def shot(self, name: str) -> None:
        if SHOTS:
            await self.page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


@asynccontextmanager
async def browsed(folder: Path, *, public: bool = True) -> AsyncIterator[Browsed]:
    program = require("chromium")
    clock = SystemClock()  # the page shows what is new by the time that passes
    site = await make_site(clock, folder, pages=True, public_view=public)
    for number in range(1, 31):
        await site.feed(device=f"pump-{number:02}", temperature=40.0 + number, state=1, note="steady", door_open=False)
    for number in range(60):
        site.history.put("pump-05", "temperature", clock.now() - (60 - number) * SECOND, 40.0 + number / 10)
    await site.feed(device="pump-05", temperature=104.0, ago_s=-1)
    server = ConsoleServer(site.app, "127.0.0.1", 0)
    await server.start()
    try:
        async with async_playwright() as playwright:
            context = await playwright.chromium.launch_persistent_context(
                folder / "profile",
                executable_path=program,
                headless=True,
                args=FLAGS,
                viewport={"width": 1440, "height": 900},
            )
            context.set_default_timeout(WAIT_MS)
            expect.set_options(timeout=WAIT_MS)
            page = context.pages[0]
            try:
                yield Browsed(site, server.url, page)
            finally:
                await context.close()
    finally:
        await server.stop()
        await _end_pings()


async def _end_pings() -> None:
    """The socket library lets the ping of a closed page sleep to its end."""
    pings = [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == "_send_ping"]
    for ping in pings:
        ping.cancel()
    await asyncio.gather(*pings, return_exceptions=True)


async def test_a_visitor_reads_the_fleet_live_and_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    async with browsed(tmp_path) as seen:
        page = seen.page
        await seen.open()
        row = page.locator("tr[data-device=pump-05]")
        await expect(row).to_contain_text("104")
        await expect(page.locator("[data-alarm='pump-05/Alarms/temperature']")).to_be_visible()
        await expect(page.locator("tr[data-device]")).not_to_have_count(30)
        await seen.site.feed(device="pump-05", temperature=61.5, ago_s=-2)
        await expect(row).to_contain_text("61.5")
        await expect(page.locator("canvas")).to_be_visible()
        await expect(page.locator("section h2", has_text="pump-05: temperature, °C")).to_be_visible()
        await seen.shot("visitor")
        assert seen.foreign == []
        assert seen.errors == []


async def test_without_public_view_nothing_shows_before_the_sign_in(tmp_path: Path) -> None:
    async with browsed(tmp_path, public=False) as seen:
        await seen.open()
        await expect(seen.page.locator("input[name=user]")).to_be_visible()
        assert "pump-" not in await seen.page.content()
        await seen.fill_in("viewer", "not the password")
        await expect(seen.page.locator(".fl-error").first).to_contain_text("wrong user or password")
        await seen.shot("sign-in")
        await seen.fill_in("viewer", PASSWORDS["viewer"])
        await expect(seen.page.locator("tr[data-device=pump-05]")).to_be_visible()
        await seen.page.locator("[data-button=sign-out]").click()
        await expect(seen.page.locator("tr[data-device]")).to_have_count(0)


async def test_an_operator_acknowledges_the_alarm_and_the_record_names_him(tmp_path: Path) -> None:
    async with browsed(tmp_path) as seen:
        await seen.open()
        alarm = seen.page.locator("[data-alarm='pump-05/Alarms/temperature']")
        await alarm.locator("button").click()
        await expect(seen.page.locator("input[name=user]")).to_be_visible()
        await seen.fill_in("operator", PASSWORDS["operator"])
        await expect(seen.page.locator(".fl-who")).to_contain_text("operator")
        await alarm.locator("button").click()
        await expect(alarm.locator("button")).to_have_count(0)
        await seen.shot("acknowledged")
        state = seen.site.pipeline.alarms.state("pump-05/Alarms/temperature")
        assert state is not None
        assert (state.acked, state.active) == (True, True)
        (record,) = [record for record in seen.site.records.audits if record[5] == "acknowledge"]
        assert record[1:4] == ("operator", "operator", "http")


async def test_a_viewer_is_told_that_he_may_not_acknowledge(tmp_path: Path) -> None:
    async with browsed(tmp_path) as seen:
        await seen.open()
        await seen.sign_in("viewer")
        await seen.page.locator("[data-alarm='pump-05/Alarms/temperature'] button").click()
        await expect(seen.page.get_by_text("it needs the role operator")).to_be_visible()
        state = seen.site.pipeline.alarms.state("pump-05/Alarms/temperature")
        assert state is not None
        assert not state.acked


async def test_an_engineer_uploads_a_package_and_reads_why_another_is_refused(tmp_path: Path) -> None:
    good, bad = tmp_path / "pump.fdix", tmp_path / "broken.fdix"
    good.write_bytes(b"PK a package")
    bad.write_bytes(b"no package")
    async with browsed(tmp_path) as seen:
        page = seen.page
        await seen.open()
        await seen.sign_in("engineer")
        await page.locator("[data-button=packages]").click()
        upload = page.locator("form[onsubmit*=upload]")
        await upload.locator("input[type=file]").set_input_files(bad)
        await upload.locator("button").click()
        await expect(upload.locator(".fl-error")).to_contain_text("not a ZIP archive")
        await upload.locator("input[type=file]").set_input_files(good)
        await upload.locator("button").click()
        await expect(upload.locator(".fl-error")).to_contain_text("pump.fdix")
        await seen.shot("packages")
        assert list(seen.site.packages.installed) == ["pump"]


async def test_the_fleet_is_filtered_turned_and_a_name_cannot_be_a_script(tmp_path: Path) -> None:
    async with browsed(tmp_path) as seen:
        page = seen.page
        await seen.site.feed(device="pump-01", note="<img src=x onerror=alert(1)>{{7*7}}", ago_s=-2)
        await seen.open()
        await page.locator("input[type=search]").fill("pump-3")
        await expect(page.locator("tr[data-device]")).to_have_count(1)
        await page.locator("input[type=search]").fill("")
        await expect(page.locator("tr[data-device=pump-01]")).to_be_visible()
        await page.locator("tr[data-device=pump-01]").click()
        await expect(page.locator("tr[data-parameter=note]")).to_contain_text("<img src=x onerror=alert(1)>{{7*7}}")
        await page.locator("[data-button=next]").click()
        await expect(page.locator("tr[data-device=pump-01]")).to_have_count(0)
        await page.locator("[data-button=abnormal]").click()
        await expect(page.locator("tr[data-device]")).to_have_count(1)
        await page.locator("[data-button=language]").click()
        await expect(page.locator("[data-button=sign-in]")).to_have_text("Войти")
        await expect(page.locator("tr[data-device]")).not_to_have_count(0)
        await seen.shot("russian")
        assert seen.errors == []


async def test_the_documents_page_works_without_internet(tmp_path: Path) -> None:
    async with browsed(tmp_path) as seen:
        await seen.page.goto(f"{seen.url}/docs")
        await expect(seen.page.get_by_text("/api/devices", exact=True).first).to_be_visible()
        await seen.shot("docs")
        assert seen.foreign == []
        assert seen.errors == []
