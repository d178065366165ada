"""Drafts: package sources learned from live traffic, and dry runs of what messages would become."""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
import json
import zipfile
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from server.console.auth import Console, PackageKeeper
from server.console.context import ConsoleContext
from server.console.problems import ProblemError
from server.core.errors import NotFoundError
from server.core.values import RawMessage
from server.fdi.draft.model import MAKER, NAME
from server.fdi.draft.service import DraftService, device_type_of, first_type
from server.model.device_type import DeviceType

router = APIRouter(prefix="/api/drafts", tags=["drafts"])

DraftId = Annotated[str, Path(max_length=32, pattern="^[0-9a-f]+$")]
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The same archive for the same sources."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class DraftRequest(_Body):
    """What to listen to, and how the package will be called."""

    topics: list[Annotated[str, Field(min_length=1, max_length=1024)]] = Field(min_length=1, max_length=16)
    """MQTT filters; `{device}` may stand for the level that names the device."""
    seconds: float = Field(default=60.0, gt=0, le=86_400)
    """Listen so long; the server's own limit may be lower."""
    messages: int = Field(default=10_000, ge=1, le=1_000_000)
    """Take so many messages; the server's own limit may be lower."""
    name: str = Field(default=NAME, min_length=1, max_length=256)
    manufacturer: str = Field(default=MAKER, min_length=1, max_length=256)
    type_id: str = Field(default="", max_length=64, pattern="^([a-z][a-z0-9_]*)?$")
    """Device type id; empty: made of the name."""


class SampleMessage(_Body):
    """One message as a device would send it."""

    topic: str = Field(min_length=1, max_length=1024)
    payload: Any = None
    """The payload as JSON."""
    text: str | None = None
    """The payload as it is, instead of `payload`."""

    def raw(self, received_at: int) -> RawMessage:
        """As the bridge would get it."""
        text = self.text if self.text is not None else json.dumps(self.payload, ensure_ascii=False)
        return RawMessage(self.topic, text.encode("utf-8", "replace"), received_at)


class DryRunRequest(_Body):
    """Messages, and one of: a draft, its edited source, an installed device type, a package."""

    messages: list[SampleMessage] = Field(default=[], max_length=100)
    """Without any, a draft's own first messages are taken."""
    draft: str = Field(default="", max_length=32)
    """Id of a draft."""
    files: dict[str, str] = Field(default={}, max_length=32)
    """Package source by file name."""
    device_type: str = Field(default="", max_length=64)
    """Id of a device type in use."""
    package: str = ""
    """A built package in base64."""

    @model_validator(mode="after")
    def _one_of(self) -> DryRunRequest:
        if not self.messages and not self.draft:
            raise ValueError("send at least one message")
        chosen = [name for name in ("files", "device_type", "package") if getattr(self, name)]
        if len(chosen) > 1 or (not chosen and not self.draft):
            raise ValueError("name one of draft, files, device_type and package")
        return self


def _offered(context: Console, _: PackageKeeper) -> DraftService:
    if context.drafts is None:
        raise ProblemError(404, "this server offers no drafts")
    return context.drafts


Drafts = Annotated[DraftService, Depends(_offered)]


@router.post("", status_code=201)
async def start_draft(wanted: DraftRequest, drafts: Drafts, caller: PackageKeeper) -> dict[str, Any]:
    """Listen to topics for a while, beside everything else: nothing is taken from anybody or acknowledged."""
    naming = {"name": wanted.name, "manufacturer": wanted.manufacturer, "type_id": wanted.type_id}
    return await drafts.start(wanted.topics, wanted.seconds, wanted.messages, naming, caller)


@router.get("")
async def list_drafts(drafts: Drafts) -> list[dict[str, Any]]:
    """Every draft with its state and what it has heard."""
    return drafts.summaries()


@router.post("/dry-run")
async def dry_run(wanted: DryRunRequest, drafts: Drafts, context: Console) -> list[dict[str, Any]]:
    """What each message would become: device, parameters with value, status and time, and what would be refused.

    Nothing is kept: no device appears and no value changes.
    """
    device_type = await _device_type(wanted, drafts, context)
    now = context.clock.now()
    messages = [entry.raw(now) for entry in wanted.messages] or drafts.heard(wanted.draft)
    return await drafts.dry_run(device_type, messages)


async def _device_type(wanted: DryRunRequest, drafts: DraftService, context: ConsoleContext) -> DeviceType:
    if wanted.device_type:
        found = context.plant.types.get(wanted.device_type)
        if found is None:
            raise NotFoundError(f"no device type {wanted.device_type!r}")
        return found
    if wanted.package:
        try:
            data = base64.b64decode(wanted.package, validate=True)
        except (binascii.Error, ValueError):
            raise ProblemError(422, "package is no base64") from None
        return await asyncio.to_thread(first_type, data)
    return await device_type_of(wanted.files or await drafts.source(wanted.draft))


@router.get("/{draft_id}")
async def draft_details(draft_id: DraftId, drafts: Drafts) -> dict[str, Any]:
    """What was learned so far: messages, parameters, and what was left out and why."""
    return await drafts.details(draft_id)


@router.get("/{draft_id}/source", response_class=Response)
async def draft_source(
    draft_id: DraftId,
    drafts: Drafts,
    file: Annotated[Literal["", "catalog.toml", "device.ddl", "mqtt.toml"], Query()] = "",
) -> Response:
    """The package source: one file as text, else all of them as a ZIP archive."""
    files = await drafts.source(draft_id)
    if file:
        return Response(files[file], media_type="text/plain; charset=utf-8")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in files.items():
            opened.writestr(zipfile.ZipInfo(name, ZIP_TIME), text)
    return Response(
        archive.getvalue(),
        media_type="application/zip",
        headers={"Content-Disposition": 'attachment; filename="draft.zip"'},
    )


@router.post("/{draft_id}/stop")
async def stop_draft(draft_id: DraftId, drafts: Drafts, caller: PackageKeeper) -> dict[str, Any]:
    """End the listening; what was heard stays."""
    return await drafts.stop(draft_id, caller)


@router.delete("/{draft_id}", status_code=204)
async def remove_draft(draft_id: DraftId, drafts: Drafts, caller: PackageKeeper) -> None:
    """Forget a draft and all it heard."""
    await drafts.remove(draft_id, caller)
