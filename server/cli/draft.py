"""`fieldloom package draft`: listens to a broker, or reads a recording, and writes package source."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bridge.sources.mqtt_listener import MqttListener
from bridge.sources.mqtt_options import MqttOptions
from bridge.sources.replay import ReplaySource
from server.cli.remote import running
from server.cli.serve import SettingsFile
from server.core.clock import SystemClock
from server.core.errors import ConfigurationError, RemoteError
from server.core.values import RawMessage
from server.fdi.catalog_values import package_id
from server.fdi.draft.infer import infer
from server.fdi.draft.limits import DraftLimits
from server.fdi.draft.model import MAKER, NAME, Naming
from server.fdi.draft.names import type_name
from server.fdi.draft.sample import Sample
from server.fdi.draft.show import lines
from server.fdi.draft.topics import filter_of, matches
from server.fdi.draft.write import write
from server.settings import Settings, load


def draft(
    topics: Annotated[
        list[str], typer.Option("--topic", help="MQTT filter; {device} may name the device's level; repeatable.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the new source folder.")] = Path("fdi_packages/src"),
    broker: Annotated[
        str | None,
        typer.Option("--broker", help="mqtt://host:1883; default: the server's broker.", show_default=False),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="A recording (topic, tab, payload) instead of a broker.", show_default=False),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, max=86_400, help="Listen so long at most.")] = 60.0,
    messages: Annotated[int, typer.Option("--messages", min=1, help="Take so many messages at most.")] = 10_000,
    name: Annotated[str, typer.Option("--name", help="Name of the device type.")] = NAME,
    manufacturer: Annotated[str, typer.Option("--manufacturer", help="Who makes the devices.")] = MAKER,
    type_id: Annotated[
        str | None, typer.Option("--type", help="Device type id; default: made of the name.", show_default=False)
    ] = None,
    identifier: Annotated[
        str | None, typer.Option("--id", help="Package id (UUID); default: a new one.", show_default=False)
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Learn a package from messages: listen, then write a source folder to go on with."""
    configured = load(settings)
    naming = _naming(name, manufacturer, type_id, identifier)
    try:
        filters = [filter_of(topic) for topic in topics]
    except ValueError as error:
        raise ConfigurationError([f"--topic: {error}"], what="topics") from None
    folder = out / f"{type_name(manufacturer)}.{naming.type_id}"
    if folder.exists():
        raise RemoteError(f"{folder} exists already; nothing is overwritten")
    sample = Sample(
        DraftLimits(
            messages=messages,
            sample_bytes=configured.packages.draft_bytes,
            payload_bytes=configured.mqtt.payload_limit_bytes,
        )
    )
    if file is not None:
        asyncio.run(_replay(file, filters, sample))
    else:
        asyncio.run(_listen(_options(configured, broker), filters, sample, seconds))
    found = infer(sample, topics, naming)
    for line in lines(found):
        typer.echo(line)
    if not found.messages:
        raise RemoteError("no message that a package can be made of was heard")
    folder.mkdir(parents=True)
    for source, text in write(found).items():
        (folder / source).write_text(text, encoding="utf-8")
    typer.echo(f"wrote {folder}; go on with its three files, then: fieldloom package build {folder}")


def _naming(name: str, manufacturer: str, type_id: str | None, identifier: str | None) -> Naming:
    problems = []
    found = package_id(identifier) if identifier else str(uuid.uuid4())
    if found is None:
        problems.append(f"--id: {identifier!r} is no UUID")
    kind = type_id or type_name(name)
    if kind != type_name(kind):
        problems.append(f"--type: {kind!r} must be lower case letters, digits and _, such as {type_name(kind)}")
    if not 0 < len(name) <= 256 or not 0 < len(manufacturer) <= 256:
        problems.append("--name, --manufacturer: 1 to 256 characters")
    if problems or found is None:
        raise ConfigurationError(problems, what="names")
    return Naming(package_id=found, name=name, manufacturer=manufacturer, type_id=kind)


def _options(settings: Settings, broker: str | None) -> MqttOptions:
    mqtt = settings.mqtt
    server = running(settings)
    url = broker or mqtt.url or (server.mqtt_url if server else "") or f"mqtt://127.0.0.1:{mqtt.port}"
    return MqttOptions(
        url=url,
        ca_file=mqtt.ca_file,
        cert_file=mqtt.cert_file,
        key_file=mqtt.key_file,
        payload_limit_bytes=mqtt.payload_limit_bytes,
        keepalive_s=mqtt.keepalive_s,
    )


async def _listen(options: MqttOptions, filters: Sequence[str], sample: Sample, seconds: float) -> None:
    typer.echo(f"listening to {', '.join(filters)} at {options.broker} for {seconds:g} s", err=True)
    listener = MqttListener(options, SystemClock())
    try:
        async with asyncio.timeout(seconds):
            await listener.listen(filters, sample.take)
    except TimeoutError:
        pass
    if listener.dropped:
        sample.refusals.add("messages that came too fast", options.broker, listener.dropped)


async def _replay(file: Path, filters: Sequence[str], sample: Sample) -> None:
    source = ReplaySource.of_file(file, SystemClock())
    played = asyncio.Event()

    async def take(batch: Sequence[RawMessage]) -> None:
        wanted = [message for message in batch if any(matches(message.topic, entry) for entry in filters)]
        if not sample.take(wanted):
            played.set()
        source.acknowledge(batch)

    work = asyncio.ensure_future(source.run(take))
    ends = [asyncio.ensure_future(event.wait()) for event in (played, source.finished)]
    try:
        await asyncio.wait({work, *ends}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        for task in (work, *ends):
            task.cancel()
        await asyncio.gather(work, *ends, return_exceptions=True)
