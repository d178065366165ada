"""Apply of edit contexts: what it brings where, in which order, and what a failure leaves behind."""

from __future__ import annotations

import asyncio

import pytest

from server.core import status
from server.core.clock import ManualClock
from server.core.errors import IntegrationError
from server.core.status import StatusCode, name_of
from server.core.values import Caller, Scalar
from server.fdi.edit_apply import Incident
from server.model.lock import owner_of
from tests.kit.edit_site import OFF, ON, EditSite
from tests.kit.editing import ANNA, BOILER, BORIS


@pytest.fixture
def site(clock: ManualClock) -> EditSite:
    return EditSite(clock)


async def test_apply_writes_in_the_order_of_the_edd_with_what_belongs_together(site: EditSite) -> None:
    # WRITE_AS_ONE low, high: high goes along with the value it has.
    context = site.opened()
    await site.edit(context, span=60.0, low=30.0, unit=1)
    outcome = await site.contexts.apply(context, ANNA)
    assert (outcome.status, outcome.incidents) == (0, ())
    assert site.access.writes == [("unit", 1), ("low", 30.0), ("high", 80.0), ("span", 60.0)]
    assert [site.look(context, name) for name in ("low", "unit", "span")] == [
        (30.0, "Good"),
        (1, "Good"),
        (60.0, "Good"),
    ]


async def test_what_could_not_be_applied_stays_edited_and_is_named(site: EditSite) -> None:
    site.access.refuse["mode"] = status.BAD_INVALID_STATE
    context = site.opened()
    await site.edit(context, mode=2, span=60.0, odd=101.0)
    outcome = await site.contexts.apply(context, ANNA)
    assert outcome.status == -4
    assert outcome.incidents == (
        Incident(ON, "mode", status.BAD_INVALID_STATE),
        Incident(ON, "odd", status.BAD_OUT_OF_RANGE),
    )
    assert site.access.writes == [("mode", 2), ("span", 60.0)]  # out of range: never sent
    assert site.look(context, "mode") == (2, "GoodEdited")
    assert site.look(context, "span") == (60.0, "Good")


async def test_values_under_a_dominant_that_failed_are_not_sent(site: EditSite) -> None:
    # 500 was meant in kPa; in the old unit the device would take it for 500 bar.
    site.access.refuse["unit"] = status.BAD_DEVICE_FAILURE
    context = site.opened()
    await site.edit(context, unit=1, span=500.0)
    outcome = await site.contexts.apply(context, ANNA)
    assert outcome.incidents == (
        Incident(ON, "unit", status.BAD_DEVICE_FAILURE),
        Incident(ON, "span", status.BAD_DOMINANT_VALUE_CHANGED),
    )
    assert site.access.writes == [("unit", 1)]


async def test_what_belongs_together_is_refused_together(site: EditSite) -> None:
    context = site.opened()
    await site.edit(context, low=90.0)  # high, 80, would lie below it
    outcome = await site.contexts.apply(context, ANNA)
    assert outcome.incidents == (
        Incident(ON, "low", status.BAD_INVALID_STATE),
        Incident(ON, "high", status.BAD_OUT_OF_RANGE),
    )
    assert site.access.writes == []
    site.access.refuse["low"] = status.BAD_TIMEOUT
    await site.edit(context, high=95.0)
    outcome = await site.contexts.apply(context, ANNA)
    assert outcome.incidents == (
        Incident(ON, "low", status.BAD_TIMEOUT),
        Incident(ON, "high", status.BAD_INVALID_STATE),
    )


async def test_a_failed_post_action_shows_until_the_device_says_something_new(site: EditSite) -> None:
    site.access.refuse["mode"] = status.GOOD_POST_ACTION_FAILED
    context = site.opened()
    await site.edit(context, mode=2)
    assert (await site.contexts.apply(context, ANNA)).status == 0
    assert site.look(context, "mode") == (2, "GoodPostActionFailed")
    site.say(mode=2)
    site.say(mode=3)
    assert site.look(context, "mode") == (3, "Good")


async def test_private_values_that_actions_assigned_do_not_stop_an_apply(site: EditSite) -> None:
    context = site.opened()
    site.contexts.set_from_method(context, ON, "secret", 4.0)
    await site.edit(context, mode=2)
    outcome = await site.contexts.apply(context, ANNA)
    assert (outcome.status, outcome.incidents, site.access.writes) == (0, (), [("mode", 2)])
    assert site.contexts.values(context, ON).value("secret") == 4.0  # actions go on with it


@pytest.mark.parametrize("how", ["reset", "discard"])
async def test_a_reset_or_discard_while_values_are_applied_stops_the_rest(site: EditSite, how: str) -> None:
    context = site.opened()
    await site.edit(context, unit=1, span=60.0, mode=2)
    plain = site.access.write

    async def write(device_id: str, name: str, value: Scalar, caller: Caller) -> StatusCode:
        getattr(site.contexts, how)(context, ANNA)
        return await plain(device_id, name, value, caller)

    site.access.write = write  # type: ignore[method-assign]
    outcome = await site.contexts.apply(context, ANNA)
    assert (outcome.status, outcome.incidents) == (0, ())
    assert site.access.writes == [("unit", 1)]  # not even the values that the device has


async def test_apply_to_a_silent_device_names_every_value(site: EditSite) -> None:
    context = site.opened()
    await site.edit(context, low=30.0, span=1.0)
    site.clock.advance(31)
    site.plant.decay(site.clock.now())
    outcome = await site.contexts.apply(context, ANNA)
    assert outcome.status == -4
    assert {(entry.name, name_of(entry.status)) for entry in outcome.incidents} == {
        ("low", "BadNotConnected"),
        ("span", "BadNotConnected"),
    }
    assert site.access.writes == []


async def test_offline_edits_go_to_the_offline_data_set_and_never_to_the_device(site: EditSite) -> None:
    context = site.opened()
    await site.edit(context, OFF, low=30.0, odd=600.0)
    outcome = await site.contexts.apply(context, ANNA)
    assert outcome.incidents == (Incident(OFF, "odd", status.BAD_OUT_OF_RANGE),)
    assert dict(site.configuration.offline(BOILER)) == {"low": 30.0}
    assert site.access.writes == []
    assert site.look(context, "low", OFF) == (30.0, "Good")
    assert site.look(context, "odd", OFF) == (600.0, "BadEditedOutOfRange")


async def test_a_full_disk_leaves_offline_edits_where_they_are(site: EditSite) -> None:
    site.disk.error = IntegrationError("disk full", status_code=status.BAD_RESOURCE_UNAVAILABLE)
    context = site.opened()
    await site.edit(context, OFF, low=30.0)
    outcome = await site.contexts.apply(context, ANNA)
    assert outcome.incidents == (Incident(OFF, "low", status.BAD_RESOURCE_UNAVAILABLE),)
    assert site.look(context, "low", OFF) == (30.0, "GoodEdited")


async def test_the_lock_holds_until_apply_is_done_and_then_ends(site: EditSite) -> None:
    context = site.opened()
    await site.edit(context, low=30.0)
    started, go = asyncio.Event(), asyncio.Event()
    plain = site.access.write

    async def slow(device_id: str, name: str, value: Scalar, caller: Caller) -> StatusCode:
        started.set()
        await go.wait()
        return await plain(device_id, name, value, caller)

    site.access.write = slow  # type: ignore[method-assign]
    applying = asyncio.create_task(site.contexts.apply(context, ANNA))
    await started.wait()
    site.locks.session_closed("s1")
    assert site.locks.init_lock(BOILER, "", owner_of(BORIS)) == -1
    assert site.discarded == []
    go.set()
    assert (await applying).status == 0
    assert site.discarded == [context]
    assert site.locks.init_lock(BOILER, "", owner_of(BORIS)) == 0
