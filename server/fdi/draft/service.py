"""Drafts on a running server: a few bounded listenings at a time, what they learned, and dry runs of packages."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from server.core import status
from server.core.binding import DeviceBinding
from server.core.clock import Clock, TimeUs, to_iso
from server.core.errors import IntegrationError, NotFoundError, RemoteError
from server.core.rehearsal import Rehearsed
from server.core.status import name_of
from server.core.values import Caller, RawMessage
from server.fdi.build import assemble, check_package
from server.fdi.draft.infer import infer
from server.fdi.draft.limits import DraftLimits
from server.fdi.draft.model import DraftModel, Naming
from server.fdi.draft.sample import Sample
from server.fdi.draft.show import plain, rehearsed
from server.fdi.draft.topics import filter_of
from server.fdi.draft.write import write
from server.model.device_type import DeviceType
from server.security.access import Right, require
from server.security.audit import AuditTrail, AuditWriter

FILTERS = 16
"""Topic filters of one draft."""
REHEARSED = 20
"""Messages of a draft's own sample that a dry run shows."""

GROWN = 1.1
"""A draft that still listens is looked at anew when it has heard a tenth more."""

Take = Callable[[Sequence[RawMessage]], bool]


class Listen(Protocol):
    """Hands over what comes on these filters until `take` returns False. Raises RemoteError."""

    async def __call__(self, filters: Sequence[str], take: Take) -> None: ...


class Rehearse(Protocol):
    """What messages would become. Raises ConfigurationError."""

    def __call__(self, binding: DeviceBinding, messages: Sequence[RawMessage]) -> list[Rehearsed]: ...


@dataclass(slots=True)
class _Draft:
    draft_id: str
    topics: tuple[str, ...]
    naming: Naming
    sample: Sample
    started: TimeUs
    user: str
    ended: str = ""  # why listening ended; "" while it goes on
    task: asyncio.Task[None] | None = None
    model: DraftModel | None = None
    looked_at: int = -1  # how many messages the model was made of
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class DraftService:
    """Every door to drafts comes through here; engineers only."""

    def __init__(
        self,
        listen: Listen,
        rehearse: Rehearse,
        *,
        audit: AuditWriter,
        clock: Clock,
        limits: DraftLimits,
        at_once: int,
        longest_s: float,
    ) -> None:
        self._listen = listen
        self._rehearse = rehearse
        self._audit = AuditTrail(audit, clock)
        self._clock = clock
        self._limits = limits
        self._at_once = at_once
        self._longest_s = longest_s
        self._drafts: dict[str, _Draft] = {}

    # -- one draft

    async def start(
        self, topics: Sequence[str], seconds: float, messages: int, naming: Mapping[str, str], caller: Caller
    ) -> dict[str, Any]:
        """Begin to listen; what is asked beyond the limits is brought down to them.

        Raises:
            DeniedError: the caller may not.
            RemoteError: no topic filter, or as many drafts as there may be.
        """
        try:
            require(caller, Right.PACKAGES, "draft packages")
            self._check(topics)
        except IntegrationError as error:
            await self._audit.write(caller, "draft start", ", ".join(topics[:4]), name_of(error.status), error.text)
            raise
        limits = DraftLimits(
            messages=max(1, min(messages, self._limits.messages)),
            sample_bytes=self._limits.sample_bytes,
            payload_bytes=self._limits.payload_bytes,
        )
        draft = _Draft(
            draft_id=secrets.token_hex(6),
            topics=tuple(topics),
            naming=Naming(package_id=str(uuid.uuid4()), **naming),
            sample=Sample(limits),
            started=self._clock.now(),
            user=caller.user,
        )
        # Known before anything is awaited: two that come together must not both be the last one.
        self._drafts[draft.draft_id] = draft
        draft.task = asyncio.create_task(self._run(draft, min(seconds, self._longest_s)))
        await self._audit.write(caller, "draft start", draft.draft_id, "Good", ", ".join(topics))
        return self._summary(draft)

    def _check(self, topics: Sequence[str]) -> None:
        if not 0 < len(topics) <= FILTERS:
            raise RemoteError(f"name 1 to {FILTERS} topics", status_code=status.BAD_INVALID_ARGUMENT)
        for topic in topics:
            try:
                filter_of(topic)
            except ValueError as error:
                raise RemoteError(str(error), status_code=status.BAD_INVALID_ARGUMENT) from None
        if len(self._drafts) >= self._at_once:
            raise RemoteError(
                f"there are {len(self._drafts)} drafts, as many as there may be: remove one first",
                status_code=status.BAD_INVALID_STATE,
            )

    async def _run(self, draft: _Draft, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._listen([filter_of(topic) for topic in draft.topics], draft.sample.take)
        except TimeoutError:
            draft.ended = "its time is over"
        except asyncio.CancelledError:
            draft.ended = draft.ended or "stopped"
            raise
        except IntegrationError as error:
            draft.ended = error.text
        else:
            draft.ended = "it has heard enough"

    async def stop(self, draft_id: str, caller: Caller) -> dict[str, Any]:
        """End the listening; what was heard stays.

        Raises:
            DeniedError, NotFoundError: may not; not there.
        """
        draft = await self._changing(draft_id, caller, "draft stop")
        await self._end(draft)
        await self._audit.write(caller, "draft stop", draft_id, "Good")
        return self._summary(draft)

    async def remove(self, draft_id: str, caller: Caller) -> None:
        """Forget a draft and all it heard.

        Raises:
            DeniedError, NotFoundError: may not; not there.
        """
        draft = await self._changing(draft_id, caller, "draft remove")
        self._drafts.pop(draft_id, None)
        await self._end(draft)
        await self._audit.write(caller, "draft remove", draft_id, "Good")

    async def _changing(self, draft_id: str, caller: Caller, action: str) -> _Draft:
        try:
            require(caller, Right.PACKAGES, "draft packages")
            return self._find(draft_id)
        except IntegrationError as error:
            await self._audit.write(caller, action, draft_id, name_of(error.status), error.text)
            raise

    @staticmethod
    async def _end(draft: _Draft) -> None:
        if draft.task is not None:
            draft.task.cancel()
            await asyncio.wait((draft.task,))

    async def close(self) -> None:
        """End every listening."""
        drafts, self._drafts = list(self._drafts.values()), {}
        for draft in drafts:
            await self._end(draft)

    # -- what was learned

    def summaries(self) -> list[dict[str, Any]]:
        """A summary of each draft."""
        return [self._summary(draft) for draft in self._drafts.values()]

    async def details(self, draft_id: str) -> dict[str, Any]:
        """A summary and the model inferred of all that was heard so far. Raises NotFoundError."""
        draft = self._find(draft_id)
        return {**self._summary(draft), "model": plain(await self._model(draft))}

    async def source(self, draft_id: str) -> dict[str, str]:
        """The package source by file name.

        Raises:
            NotFoundError: no such draft.
            RemoteError: nothing that a package can be made of was heard yet.
        """
        model = await self._model(self._find(draft_id))
        if not model.messages:
            raise RemoteError(
                "no message with a value was heard yet; the draft's report tells what came",
                status_code=status.BAD_INVALID_STATE,
            )
        return write(model)

    async def dry_run(self, device_type: DeviceType, messages: Sequence[RawMessage]) -> list[dict[str, Any]]:
        """What messages would become. Raises ConfigurationError."""
        found = await asyncio.to_thread(self._rehearse, device_type.binding, messages)
        return rehearsed(found, device_type)

    def heard(self, draft_id: str) -> Sequence[RawMessage]:
        """The first messages of a draft. Raises NotFoundError."""
        return self._find(draft_id).sample.messages[:REHEARSED]

    async def _model(self, draft: _Draft) -> DraftModel:
        async with draft.turn:
            if draft.model is None or self._grown(draft):
                snapshot = draft.sample.snapshot()
                draft.model = await asyncio.to_thread(infer, snapshot, draft.topics, draft.naming)
                draft.looked_at = snapshot.heard
            return draft.model

    @staticmethod
    def _grown(draft: _Draft) -> bool:
        """Whether enough has come since the last look: it costs seconds of processor time when the sample is large."""
        enough = draft.looked_at if draft.ended else draft.looked_at * GROWN
        return draft.sample.heard > enough

    def _find(self, draft_id: str) -> _Draft:
        draft = self._drafts.get(draft_id)
        if draft is None:
            raise NotFoundError(f"no draft {draft_id!r}")
        return draft

    def _summary(self, draft: _Draft) -> dict[str, Any]:
        sample = draft.sample
        return {
            "id": draft.draft_id,
            "topics": list(draft.topics),
            "name": draft.naming.name,
            "user": draft.user,
            "started": to_iso(draft.started),
            "state": "ended" if draft.ended else "listening",
            "reason": draft.ended,
            "heard": sample.heard,
            "kept": len(sample.messages),
            "bytes": sample.bytes,
            "topics_heard": len(sample.topics),
        }


async def device_type_of(files: Mapping[str, str]) -> DeviceType:
    """The device type of package source by file name, checked as a build checks it.

    Raises:
        PackageError: it does not build, or describes no device.
    """
    return await asyncio.to_thread(_built, files)


def _built(files: Mapping[str, str]) -> DeviceType:
    data, _ = assemble({name: text.encode("utf-8", "replace") for name, text in files.items()})
    return first_type(data)


def first_type(data: bytes) -> DeviceType:
    """The device type of a package.

    Raises:
        PackageError: it is refused.
        RemoteError: it describes no device.
    """
    found = check_package(data).device_types
    if not found:
        raise RemoteError("the package describes no device", status_code=status.BAD_INVALID_ARGUMENT)
    return found[0]
