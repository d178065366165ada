"""Edit contexts: what their clients see, who may use them, what ends them, what Apply brings where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from server.core import status
from server.core.clock import ManualClock
from server.core.errors import DeniedError, IntegrationError, NotFoundError
from server.core.status import StatusCode, name_of
from server.core.values import Caller, Scalar
from server.model.device_type import DataType
from server.model.lock import NETWORK, owner_of
from server.settings import FdiSettings
from tests.kit.edit_site import OFF, ON, EditSite
from tests.kit.editing import (
    ANNA,
    BOILER,
    BORIS,
    PARAMETERS,
    boiler_type,
)
from tests.kit.plant import parameter


@pytest.fixture
def site(clock: ManualClock) -> EditSite:
    return EditSite(clock)


# -- who may


def test_a_context_needs_the_lock_and_the_right_to_write(site: EditSite) -> None:
    assert site.contexts.get(BOILER, "", 1, ANNA) == ("", -1)
    site.locks.init_lock(BOILER, "", owner_of(ANNA))
    # Two clients edit at once: the second does not even get a context.
    assert site.contexts.get(BOILER, "", 1, BORIS) == ("", -1)
    with pytest.raises(DeniedError):
        site.contexts.get(BOILER, "", 1, Caller("v", "viewer", "opcua", session="s1", application="urn:anna"))
    assert site.contexts.get("nobody", "", 1, ANNA) == ("", -2)
    assert site.contexts.get(BOILER, "no such parent", 1, ANNA) == ("", -2)
    assert site.contexts.get(BOILER, "", 4, ANNA) == ("", -2)
    assert site.contexts.get(BOILER, "", 3, ANNA)[1] == 0


async def test_a_context_is_unknown_to_everybody_but_its_owner(site: EditSite) -> None:
    context = site.opened()
    contexts = site.contexts
    assert contexts.owner(context) == owner_of(ANNA)
    assert contexts.device_of(context) == BOILER
    assert contexts.check(context, BORIS) == -2
    assert contexts.register(context, ["low"], BORIS) == [-2]
    assert await contexts.write(context, ON, "low", 1.0, BORIS) == status.BAD_NODE_ID_UNKNOWN
    assert (await contexts.apply(context, BORIS)).status == -2
    assert (contexts.reset(context, BORIS), contexts.discard(context, BORIS)) == (-2, -2)
    assert len(contexts) == 1


def test_contexts_are_limited_by_device_session_and_depth(clock: ManualClock) -> None:
    site = EditSite(clock, FdiSettings(edit_contexts_per_device=3, edit_context_depth=2))
    first = site.opened()
    second = site.opened(first)
    assert site.contexts.get(BOILER, second, 1, ANNA) == ("", -6)  # too deep
    site.opened()
    assert site.contexts.get(BOILER, "", 1, ANNA) == ("", -6)  # too many of the device
    site.contexts.discard(first, ANNA)
    assert site.contexts.get(BOILER, "", 1, ANNA)[1] == 0
    of_session = EditSite(clock, FdiSettings(edit_contexts_per_session=1))
    of_session.opened()
    assert of_session.contexts.get(BOILER, "", 1, ANNA) == ("", -6)


def test_registration_answers_each_name_and_is_limited(clock: ManualClock) -> None:
    site = EditSite(clock, FdiSettings(registered_nodes=2))
    site.locks.init_lock(BOILER, "", owner_of(ANNA))
    context, _ = site.contexts.get(BOILER, "", 1, ANNA)
    names = ["low", "nothing", "secret", "high", "low", "odd"]
    assert site.contexts.register(context, names, ANNA) == [0, -3, -3, 0, 0, -6]
    assert site.contexts.registered(context) == {"low", "high"}


def test_every_use_keeps_the_lock_and_a_lost_lock_is_told(site: EditSite) -> None:
    context = site.opened()
    for _ in range(3):
        site.clock.advance(50)
        assert site.contexts.check(context, ANNA) == 0
    site.clock.advance(60)
    assert site.contexts.check(context, ANNA) == -1
    site.locks.tick()
    assert site.discarded == [context]


# -- values


async def test_an_edit_shows_in_the_context_only(site: EditSite) -> None:
    context = site.opened()
    assert site.look(context, "mode") == (1, "Good")
    await site.edit(context, mode=2)
    assert site.look(context, "mode") == (2, "GoodEdited")
    assert site.look(context, "mode", OFF) == (1, "Good")
    assert site.plant.device(BOILER).points["mode"].value == 1
    assert site.access.writes == []
    await site.edit(context, mode=1)  # edited back: as if nothing had been done
    assert site.look(context, "mode") == (1, "Good")


async def test_dominant_and_dependent_values_turn_together(site: EditSite) -> None:
    # UNIT unit : span, low.
    context = site.opened()
    await site.edit(context, unit=1)
    assert site.look(context, "unit") == (1, "GoodEdited")
    assert site.look(context, "span") == (50.0, "UncertainDominantValueChanged")
    await site.edit(context, span=5000.0)
    assert site.look(context, "span")[1] == "BadEditedOutOfRangeDominantValueChanged"
    await site.edit(context, span=500.0)
    assert site.look(context, "span")[1] == "GoodEditedDominantValueChanged"
    assert site.look(context, "unit")[1] == "GoodEditedDependentValueChanged"
    await site.edit(context, unit=0)
    assert site.look(context, "unit")[1] == "GoodDependentValueChanged"
    assert site.look(context, "span") == (500.0, "GoodEdited")


async def test_a_value_that_an_edit_pushes_out_of_range_or_out_of_being_says_so(site: EditSite) -> None:
    context = site.opened()
    await site.edit(context, low=90.0)  # high stands at 80 and may not be below low
    seen = site.contexts.read(context, ON, "high")
    assert (seen.value, name_of(seen.status)) == (80.0, "BadOutOfRangeDominantValueChanged")
    assert seen.spec.ranges == ((90.0, 100.0),)
    await site.edit(context, high=95.0)
    assert site.look(context, "high") == (95.0, "GoodEdited")
    await site.edit(context, mode=0)
    assert site.look(context, "extra") == ("x", "BadDominantValueChanged")
    assert await site.contexts.write(context, ON, "extra", "y", ANNA) == status.BAD_NOT_WRITABLE


def test_a_default_outside_its_range_that_nobody_ever_set_says_so(site: EditSite) -> None:
    context = site.opened()
    assert site.look(context, "odd", OFF) == (500.0, "BadInitialValueOutOfRange")
    assert site.look(context, "odd", ON) == (None, "BadWaitingForInitialData")


async def test_a_value_outside_its_range_is_kept_for_the_user_to_see(site: EditSite) -> None:
    context = site.opened()
    await site.edit(context, low=101.0)
    assert site.look(context, "low") == (101.0, "BadEditedOutOfRange")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("low", "hot", "BadTypeMismatch"),
        ("low", True, "BadTypeMismatch"),
        ("low", float("nan"), "BadOutOfRange"),
        ("mode", 256, "BadOutOfRange"),
        ("mode", 1.5, "BadTypeMismatch"),
        ("extra", "x" * 65_537, "BadOutOfRange"),
        ("pressure", 2.0, "BadNotWritable"),
        ("secret", 2.0, "BadNodeIdUnknown"),
        ("nothing", 2.0, "BadNodeIdUnknown"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_what_the_parameter_cannot_hold_is_refused(site: EditSite, name: str, value: Scalar, code: str) -> None:
    context = site.opened()
    assert name_of(await site.contexts.write(context, ON, name, value, ANNA)) == code


async def test_device_values_show_through_where_nothing_is_edited(site: EditSite) -> None:
    context = site.opened()
    await site.edit(context, low=30.0)
    site.changed.clear()
    site.say(low=25.0, high=70.0)
    assert site.look(context, "low") == (30.0, "GoodEdited")
    assert site.look(context, "high") == (70.0, "Good")
    assert site.look(context, "high", OFF) == (70.0, "Good")
    told = {name for _, values in site.changed for side, name in values if side is ON}
    assert told == {"low", "high", "unit"}  # unit dominates low: its look may have changed too
    site.say(low=30.0)  # the device says what was edited: nothing left to apply
    assert site.look(context, "low") == (30.0, "Good")


async def test_only_registered_values_are_told(site: EditSite) -> None:
    site.locks.init_lock(BOILER, "", owner_of(ANNA))
    context, _ = site.contexts.get(BOILER, "", 1, ANNA)
    site.contexts.register(context, ["high"], ANNA)
    await site.edit(context, low=30.0)
    assert site.changed == [(context, frozenset({(ON, "high")}))]


def test_a_silent_device_shows_in_the_online_values_only(site: EditSite) -> None:
    context = site.opened()
    site.clock.advance(31)
    site.plant.decay(site.clock.now())
    site.contexts.tick()
    site.contexts.tick()
    assert site.look(context, "low") == (20.0, "BadNotConnected")
    assert site.look(context, "low", OFF) == (20.0, "Good")
    # Settings do not change by themselves: without this nobody would learn that they cannot be reached.
    assert site.changed == [(context, frozenset((ON, name) for name in PARAMETERS))]
    site.say(pressure=1.5)
    assert site.look(context, "low") == (20.0, "Good")
    assert (ON, "low") in site.changed[1][1]


async def test_reset_throws_edits_away_and_keeps_registrations(site: EditSite) -> None:
    context = site.opened()
    await site.edit(context, low=30.0, unit=1)
    await site.edit(context, OFF, low=31.0)
    assert site.contexts.reset(context, ANNA) == 0
    assert [site.look(context, name) for name in ("low", "unit", "span")] == [
        (20.0, "Good"),
        (0, "Good"),
        (50.0, "Good"),
    ]
    assert site.look(context, "low", OFF) == (20.0, "Good")
    assert site.contexts.registered(context) == set(PARAMETERS)


async def test_an_edited_value_carries_the_time_of_the_edit(site: EditSite) -> None:
    context = site.opened()
    site.clock.advance(5)
    await site.edit(context, low=30.0)
    assert site.contexts.read(context, ON, "low").source_time == site.clock.now()
    assert site.contexts.read(context, ON, "high").source_time < site.clock.now()


# -- nested contexts


async def test_a_nested_context_shows_and_changes_its_parent_only_by_apply(site: EditSite) -> None:
    outer = site.opened()
    await site.edit(outer, unit=1)
    inner = site.opened(outer)
    assert site.look(inner, "unit") == (1, "GoodEdited")
    assert site.look(inner, "span") == (50.0, "UncertainDominantValueChanged")
    await site.edit(inner, span=500.0)
    assert site.look(outer, "span") == (50.0, "UncertainDominantValueChanged")
    assert (await site.contexts.apply(outer, ANNA)).status == -5
    assert site.contexts.reset(outer, ANNA) == -5
    assert (await site.contexts.apply(inner, ANNA)).status == 0
    assert site.look(outer, "span") == (500.0, "GoodEditedDominantValueChanged")
    assert site.access.writes == []
    site.contexts.discard(inner, ANNA)
    assert (await site.contexts.apply(outer, ANNA)).status == 0
    assert site.access.writes == [("unit", 1), ("span", 500.0)]


async def test_an_edit_of_the_parent_is_told_to_what_lies_inside(site: EditSite) -> None:
    outer = site.opened()
    inner = site.opened(outer)
    await site.edit(outer, mode=2)
    assert {context for context, _ in site.changed} == {outer, inner}
    assert site.look(inner, "mode") == (2, "GoodEdited")


def test_discard_takes_everything_inside_along_innermost_first(site: EditSite) -> None:
    outer = site.opened()
    middle = site.opened(outer)
    inner = site.opened(middle)
    other = site.opened()
    assert site.contexts.discard(outer, ANNA) == 0
    assert site.discarded == [inner, middle, outer]
    assert site.contexts.discard(outer, ANNA) == -2
    with pytest.raises(NotFoundError):
        site.contexts.read(inner, ON, "low")
    assert site.look(other, "low") == (20.0, "Good")


# -- what ends contexts


@pytest.mark.parametrize(
    "end",
    [
        lambda site: site.locks.exit_lock(BOILER, owner_of(ANNA)),
        lambda site: site.locks.break_lock(BOILER),
        lambda site: site.locks.session_closed("s1"),
        lambda site: (site.clock.advance(60), site.locks.tick()),
    ],
    ids=["exit", "break", "session", "time-out"],
)
def test_contexts_end_with_the_lock(site: EditSite, end: Callable[[EditSite], object]) -> None:
    outer = site.opened()
    inner = site.opened(outer)
    end(site)
    assert site.discarded == [inner, outer]
    assert len(site.contexts) == 0


def test_contexts_under_a_network_lock_end_with_it(site: EditSite) -> None:
    site.locks.init_lock(NETWORK, "", owner_of(ANNA))
    context, code = site.contexts.get(BOILER, "", 1, ANNA)
    assert code == 0
    site.locks.exit_lock(NETWORK, owner_of(ANNA))
    assert site.discarded == [context]


def test_contexts_end_when_their_device_goes(site: EditSite) -> None:
    context = site.opened()
    for change in site.plant.uninstall("boiler"):
        site.contexts.model_changed(change)
    assert site.discarded == [context]


async def test_edits_are_carried_over_to_another_version_of_the_type(site: EditSite) -> None:
    context = site.opened()
    await site.edit(context, low=30.0, mode=2, extra="y")
    parameters = {name: spec for name, spec in PARAMETERS.items() if name != "mode"}
    parameters["extra"] = parameter("extra", DataType.DOUBLE, writable=True)
    for change in site.plant.install(boiler_type(parameters=parameters, version="2.0.0", logic=None)):
        site.contexts.model_changed(change)
    assert site.look(context, "low") == (30.0, "GoodEdited")
    assert site.look(context, "extra") == (None, "BadWaitingForInitialData")
    assert "mode" not in site.contexts.registered(context)
    with pytest.raises(NotFoundError):
        site.contexts.read(context, ON, "mode")


# -- actions


@dataclass
class Outcome:
    status: StatusCode
    value: Scalar | None


@dataclass
class Hooks:
    """Edit actions as a test wants them."""

    do: Callable[..., Outcome]
    kinds: list[str] = field(default_factory=list)

    async def run_hooks(
        self, device_id: str, parameter: str, kind: str, value: Scalar | None, values: object, caller: Caller,
        *, offline: bool = False, assign: Callable[[str, Scalar], None] | None = None,
    ) -> Outcome:  # fmt: skip
        self.kinds.append(kind)
        return self.do(kind, value, values, assign)


async def test_edit_actions_run_inside_the_context(site: EditSite) -> None:
    def do(kind: str, value: Scalar, values: object, assign: Callable[[str, Scalar], None]) -> Outcome:
        if kind == "PRE_EDIT_ACTIONS":
            return Outcome(status.GOOD, 2.0 * float(value))
        assert values.value("low") == 30.0  # type: ignore[attr-defined]
        assign("span", 3)
        assign("secret", 4.0)
        return Outcome(status.GOOD, None)

    hooks = site.contexts.actions = Hooks(do)
    context = site.opened()
    await site.edit(context, low=15.0)
    assert hooks.kinds == ["PRE_EDIT_ACTIONS", "POST_EDIT_ACTIONS"]
    assert site.look(context, "low") == (30.0, "GoodEdited")
    assert site.look(context, "span") == (3.0, "GoodEdited")
    assert site.contexts.values(context, ON).value("secret") == 4.0
    assert site.contexts.values(context, OFF).value("secret") == 1.0
    assert site.contexts.set_from_method(context, ON, "low", "hot") == status.BAD_TYPE_MISMATCH
    assert site.contexts.set_from_method(context, ON, "nothing", 1.0) == status.BAD_NODE_ID_UNKNOWN


async def test_an_edit_action_that_gives_up_rejects_the_edit_whether_before_or_after_it(site: EditSite) -> None:
    site.contexts.actions = Hooks(lambda *_: Outcome(status.BAD_INVALID_STATE, None))
    context = site.opened()
    assert await site.contexts.write(context, ON, "low", 30.0, ANNA) == status.BAD_INVALID_STATE
    assert site.look(context, "low") == (20.0, "Good")

    def only_post(kind: str, value: Scalar, *_: object) -> Outcome:
        if kind == "POST_EDIT_ACTIONS":
            raise IntegrationError("busy", status_code=status.BAD_INVALID_STATE)
        return Outcome(status.GOOD, value)

    site.contexts.actions = Hooks(only_post)
    changes = len(site.changed)
    assert await site.contexts.write(context, ON, "low", 30.0, ANNA) == status.BAD_INVALID_STATE
    assert site.look(context, "low") == (20.0, "Good")
    assert len(site.changed) == changes  # nobody saw it for a moment either


async def test_a_post_edit_action_cannot_leave_a_value_that_the_type_cannot_hold(site: EditSite) -> None:
    def spoil(kind: str, value: Scalar, *_: object) -> Outcome:
        return Outcome(status.GOOD, "hot" if kind == "POST_EDIT_ACTIONS" else value)

    site.contexts.actions = Hooks(spoil)
    context = site.opened()
    assert await site.contexts.write(context, ON, "low", 30.0, ANNA) == status.BAD_TYPE_MISMATCH
    assert site.look(context, "low") == (20.0, "Good")


async def test_a_context_lost_while_its_actions_run_takes_no_edit(site: EditSite) -> None:
    context = site.opened()

    def lose(_kind: str, value: Scalar, *_: object) -> Outcome:
        site.locks.break_lock(BOILER)
        return Outcome(status.GOOD, value)

    site.contexts.actions = Hooks(lose)
    assert await site.contexts.write(context, ON, "low", 30.0, ANNA) == status.BAD_NODE_ID_UNKNOWN
    assert site.discarded == [context]


def test_nothing_is_looked_at_while_no_context_is_open(site: EditSite) -> None:
    class Untouchable:
        def __iter__(self) -> object:
            raise AssertionError("values were looked at")

    site.contexts.values_changed(Untouchable())  # type: ignore[arg-type]
