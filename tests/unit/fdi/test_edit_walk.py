"""Edit contexts under a random walk: the walk keeps its own simple book of who sees which value."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from server.core import status
from server.core.clock import ManualClock
from server.core.values import Scalar
from server.fdi.configuration import Configuration
from server.fdi.edit_context import EditContexts
from server.fdi.edit_values import Side
from server.fdi.logic.type_logic import ValueSource
from server.model.lock import Locks, owner_of
from server.settings import FdiSettings
from tests.kit.editing import ANNA, BOILER, PARAMETERS, Disk, FakeAccess, boiler_plant, report

NAMES = ("mode", "span", "odd")  # without relations between them
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["open", "edit", "edit", "say", "apply", "reset", "discard", "lose"]),
        st.sampled_from(NAMES),
        st.integers(0, 3),
    ),
    min_size=20,
    max_size=60,
)


class NoHidden:
    """Values of PRIVATE parameters: none."""

    def values(self, _device_id: str) -> ValueSource:
        return self

    def value(self, _name: str) -> Scalar | None:
        return None


async def walk(acts: list[tuple[str, str, int]]) -> None:
    clock = ManualClock()
    plant = boiler_plant(clock, mode=1, span=1.0, odd=1.0)
    locks, access = Locks(clock), FakeAccess(plant, clock)
    contexts = EditContexts(
        plant, locks, Configuration(Disk(), plant), NoHidden(), access, None, clock, FdiSettings(edit_context_depth=3)
    )
    gone: list[str] = []
    contexts.on_discarded.append(gone.append)
    device: dict[str, int] = dict.fromkeys(NAMES, 1)
    stack: list[tuple[str, dict[str, int]]] = []  # contexts, each inside the one before, with its edits

    def seen(depth: int, name: str) -> int:
        return next((edits[name] for _, edits in reversed(stack[:depth]) if name in edits), device[name])

    def typed(name: str, value: int) -> Scalar:
        return value if name == "mode" else float(value)

    for act, name, value in acts:
        if act == "say":
            device[name] = value
            contexts.values_changed(report(plant, clock, **{name: typed(name, value)}))
            if stack and stack[0][1].get(name) == value:
                del stack[0][1][name]
        elif act == "lose":
            locks.break_lock(BOILER)
            assert set(gone) >= {context for context, _ in stack}
            stack.clear()
        elif act == "open":
            locks.init_lock(BOILER, "", owner_of(ANNA))
            context, code = contexts.get(BOILER, stack[-1][0] if stack else "", 1, ANNA)
            assert (code == 0) == (len(stack) < 3)
            if code == 0:
                contexts.register(context, PARAMETERS, ANNA)
                stack.append((context, {}))
        elif stack:
            context, edits = stack[-1]
            below = {known: seen(len(stack) - 1, known) for known in NAMES}
            if act == "edit":
                assert await contexts.write(context, Side.ONLINE, name, value, ANNA) == status.GOOD
                edits.pop(name, None)
                if value != below[name]:
                    edits[name] = value
            elif act == "reset":
                assert contexts.reset(context, ANNA) == 0
                edits.clear()
            elif act == "discard":
                assert contexts.discard(context, ANNA) == 0
                stack.pop()
            elif act == "apply":
                before = len(access.writes)
                assert (await contexts.apply(context, ANNA)).status == 0
                written = dict(access.writes[before:])
                if len(stack) > 1:
                    assert written == {}  # only a top-level context reaches the device
                    under = {known: seen(len(stack) - 2, known) for known in NAMES}
                    for known, content in edits.items():
                        stack[-2][1].pop(known, None)
                        if content != under[known]:
                            stack[-2][1][known] = content
                else:
                    assert written == edits
                    device.update(edits)
                edits.clear()
        for depth, (context, _) in enumerate(stack, start=1):
            for known in NAMES:
                shown = contexts.read(context, Side.ONLINE, known)
                assert shown.value == seen(depth, known)
                edited = any(known in edits for _, edits in stack[:depth])
                assert (shown.status == status.GOOD_EDITED) == edited
        assert {known: plant.device(BOILER).points[known].value for known in NAMES} == device
        assert len(contexts) == len(stack)


@settings(max_examples=60, deadline=None)
@given(acts=ACTS)
def test_a_context_shows_its_edits_over_its_parents_over_the_device(acts: list[tuple[str, str, int]]) -> None:
    asyncio.run(walk(acts))
