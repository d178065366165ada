"""`fieldloom run`, `demo` and `simulate`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from server.app import Server
from server.ops import logging
from server.ops.children import Child
from server.settings import Settings, load

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="Settings file; fieldloom.toml here when it exists.", show_default=False),
]

DEMO_DEFAULTS: dict[str, dict[str, Any]] = {
    "opcua": {"allow_none": True},
    "http": {"public_view": True},
    "log": {"format": "text", "level": "warning"},
    "packages": {"unsigned": "allow"},
}


def run(settings: SettingsFile = None) -> None:
    """Run the server until Ctrl-C."""
    configured = load(settings)
    logging.configure(configured.log)
    asyncio.run(_serve(configured, None))


def demo(
    settings: SettingsFile = None,
    devices: Annotated[
        list[str] | None, typer.Option(help="KIND=N, repeatable; as for simulate.", show_default=False)
    ] = None,
    speed: Annotated[float, typer.Option(help="Simulated time runs so many times as fast.")] = 1.0,
    scenario: Annotated[str, typer.Option(help="What happens in the simulated plant.")] = "demo",
) -> None:
    """Run server, embedded broker, console and a simulated plant; everything on this machine only."""
    configured = load(settings, defaults=DEMO_DEFAULTS)
    logging.configure(configured.log)
    arguments = ["--speed", f"{speed:g}", "--scenario", scenario]
    for entry in devices or []:
        arguments += ["--devices", entry]
    asyncio.run(_serve(configured, arguments))


def simulate(
    context: typer.Context,
    settings: SettingsFile = None,
) -> None:
    """Run the simulated plant alone against the configured broker; `--help` after `--` shows its options."""
    configured = load(settings)
    arguments = list(context.args)
    if "--broker" not in arguments and not any(entry.startswith("--broker=") for entry in arguments):
        url = configured.mqtt.url or f"mqtt://127.0.0.1:{configured.mqtt.port}"
        arguments = ["--broker", url, *arguments]
    sys.exit(asyncio.run(_simulate(arguments)))


async def _simulate(arguments: list[str]) -> int:
    child = Child("simulator", [sys.executable, "-m", "simulator", *arguments])
    stop = _stop_event()
    await child.start()
    ended = asyncio.ensure_future(child.wait())
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    await child.stop()
    code = await ended
    return 0 if stop.is_set() else code


async def _serve(settings: Settings, simulator: list[str] | None) -> None:
    stop = _stop_event()
    server = Server(settings)
    await server.start()
    child: Child | None = None
    try:
        if simulator is not None:
            child = Child("simulator", [sys.executable, "-m", "simulator", "--broker", server.mqtt_url, *simulator])
            await child.start()
        _print_banner(server, demo=simulator is not None)
        await server.run_until(stop)
    finally:
        # A second Ctrl-C must not leave a child behind.
        if child is not None:
            await child.stop()
        await server.stop()
        sys.stdout.write("fieldloom: stopped\n")


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    return stop


def _print_banner(server: Server, *, demo: bool) -> None:
    lines = [
        "Fieldloom is up.",
        f"  OPC UA    {server.opcua_url}",
        f"  Console   {server.http_url}/      (API documents: {server.http_url}/docs)",
        f"  MQTT      {server.mqtt_url}",
        f"  Accounts  {server.accounts_file}",
    ]
    if demo:
        lines.append("  Simulated plant: engines, breakers, looms, plant assets, sensors. Ctrl-C stops everything.")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
