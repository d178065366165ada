"""Transfers: who may start one, what is brought where and in which order, what a failure leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pytest

from server.core import status
from server.core.clock import ManualClock
from server.core.errors import DeniedError, IntegrationError, NotFoundError
from server.core.status import StatusCode, name_of
from server.core.values import Caller, Scalar
from server.fdi.configuration import Configuration
from server.fdi.transfer import TransferService
from server.model.lock import Locks, owner_of
from server.model.plant import Plant
from tests.kit.editing import ANNA, BOILER, BORIS, Disk, FakeAccess, boiler_plant


@dataclass
class Site:
    """What a transfer needs, wired as the server does."""

    clock: ManualClock

    def __post_init__(self) -> None:
        self.plant: Plant = boiler_plant(self.clock, low=20.0, high=80.0, unit=0, span=50.0, mode=1, extra="x")
        self.locks = Locks(self.clock, timeout_s=60.0)
        self.disk = Disk()
        self.configuration = Configuration(self.disk, self.plant)
        self.access = FakeAccess(self.plant, self.clock)
        self.transfers = TransferService(self.plant, self.locks, self.configuration, self.access, self.clock)

    def lock(self) -> None:
        assert self.locks.init_lock(BOILER, "", owner_of(ANNA)) == 0

    async def done(self, started: tuple[int, int]) -> dict[str, str]:
        """The results of a transfer that has just been started, after its end."""
        transfer_id, code = started
        assert code == 0
        await self.transfers.idle()
        answer = self.transfers.fetch(BOILER, transfer_id, 0, 0, False, ANNA)
        assert answer.end
        return {result.name: name_of(result.status) for result in answer.results}


@pytest.fixture
def site(clock: ManualClock) -> Site:
    return Site(clock)


def away(site: Site) -> None:
    site.clock.advance(31)
    site.plant.decay(site.clock.now())


async def test_a_transfer_needs_the_lock_the_right_and_the_device(site: Site) -> None:
    transfers = site.transfers
    assert transfers.to_device(BOILER, ANNA) == (0, -1)
    site.lock()
    assert transfers.from_device(BOILER, BORIS) == (0, -1)
    with pytest.raises(DeniedError):
        transfers.to_device(BOILER, Caller("v", "viewer", "opcua"))
    with pytest.raises(NotFoundError):
        transfers.to_device("nobody", ANNA)
    away(site)
    assert transfers.to_device(BOILER, ANNA) == (0, -2)


async def test_what_was_set_offline_goes_to_the_device_in_the_order_of_the_edd(site: Site) -> None:
    site.lock()
    await site.configuration.set_offline(BOILER, {"span": 60.0, "low": 30.0, "unit": 1})
    results = await site.done(site.transfers.to_device(BOILER, ANNA))
    # WRITE_AS_ONE low, high: high goes along.
    assert site.access.writes == [("unit", 1), ("low", 30.0), ("high", 80.0), ("span", 60.0)]
    assert results == dict.fromkeys(("unit", "low", "high", "span"), "Good")
    assert site.configuration.offline(BOILER) == {}
    assert site.disk.rows == {}
    assert site.plant.device(BOILER).points["low"].value == 30.0


async def test_a_transfer_stops_at_the_first_failure_and_keeps_what_was_not_sent(site: Site) -> None:
    # DI: no automatic retry; a half-written group is shown, not hidden.
    site.lock()
    site.access.refuse["low"] = status.BAD_DEVICE_FAILURE
    await site.configuration.set_offline(BOILER, {"unit": 1, "low": 30.0, "span": 60.0})
    results = await site.done(site.transfers.to_device(BOILER, ANNA))
    assert results == {"unit": "Good", "low": "BadDeviceFailure"}
    assert dict(site.configuration.offline(BOILER)) == {"low": 30.0, "span": 60.0}
    assert site.access.writes == [("unit", 1), ("low", 30.0)]


async def test_values_that_do_not_fit_each_other_are_not_sent(site: Site) -> None:
    site.lock()
    await site.configuration.set_offline(BOILER, {"low": 90.0})  # high would be below it
    results = await site.done(site.transfers.to_device(BOILER, ANNA))
    assert (results, site.access.writes) == ({"high": "BadOutOfRange"}, [])
    assert dict(site.configuration.offline(BOILER)) == {"low": 90.0}


async def test_a_value_that_does_not_exist_now_is_left_out_and_stays_set(site: Site) -> None:
    site.lock()
    await site.configuration.set_offline(BOILER, {"extra": "y", "mode": 0})  # extra is only valid in mode 1
    results = await site.done(site.transfers.to_device(BOILER, ANNA))
    assert results == {"mode": "Good", "extra": "BadNotWritable"}
    assert dict(site.configuration.offline(BOILER)) == {"extra": "y"}


@dataclass
class Menu:
    """Actions of a transfer MENU as a test wants them."""

    site: Site
    refuse: str = ""
    kinds: list[tuple[str, int]] = field(default_factory=list)  # and how many values had been written before

    async def around_transfer(self, device_id: str, kind: str, caller: Caller) -> StatusCode:
        self.kinds.append((kind, len(self.site.access.writes)))
        return status.BAD_INVALID_STATE if kind == self.refuse else status.GOOD


def with_menu(site: Site, refuse: str = "") -> Menu:
    menu = Menu(site, refuse)
    site.transfers = TransferService(site.plant, site.locks, site.configuration, site.access, site.clock, actions=menu)
    return menu


async def test_the_actions_of_the_transfer_menu_run_around_it(site: Site) -> None:
    # eddl.md 5.6; DI: afterwards the device is brought back to a working state, so also after a failure.
    menu = with_menu(site)
    site.lock()
    await site.done(site.transfers.to_device(BOILER, ANNA))
    assert menu.kinds == []  # nothing to send
    await site.configuration.set_offline(BOILER, {"unit": 1, "span": 60.0})
    site.access.refuse["span"] = status.BAD_DEVICE_FAILURE
    await site.done(site.transfers.to_device(BOILER, ANNA))
    assert menu.kinds == [("PRE_WRITE_ACTIONS", 0), ("POST_WRITE_ACTIONS", 2)]
    await site.done(site.transfers.from_device(BOILER, ANNA))
    assert [kind for kind, _ in menu.kinds[2:]] == ["PRE_READ_ACTIONS", "POST_READ_ACTIONS"]


async def test_an_action_that_gives_up_before_a_transfer_stops_it_and_after_it_is_told(site: Site) -> None:
    site.lock()
    await site.configuration.set_offline(BOILER, {"unit": 1, "span": 60.0})
    with_menu(site, "PRE_WRITE_ACTIONS")
    transfer_id, _ = site.transfers.to_device(BOILER, ANNA)
    await site.transfers.idle()
    assert site.transfers.fetch(BOILER, transfer_id, 0, 0, False, ANNA).error == -5
    assert (site.access.writes, dict(site.configuration.offline(BOILER))) == ([], {"unit": 1, "span": 60.0})
    with_menu(site, "POST_WRITE_ACTIONS")
    results = await site.done(site.transfers.to_device(BOILER, ANNA))
    assert results == {"unit": "Good", "span": "GoodPostActionFailed"}
    assert dict(site.configuration.offline(BOILER)) == {}


async def test_private_values_that_a_method_saved_do_not_stop_a_transfer(site: Site) -> None:
    site.lock()
    await site.configuration.set_offline(BOILER, {"secret": 3.0, "span": 60.0})
    assert await site.done(site.transfers.to_device(BOILER, ANNA)) == {"span": "Good"}
    assert site.access.writes == [("span", 60.0)]
    assert dict(site.configuration.offline(BOILER)) == {"secret": 3.0}


async def test_nothing_set_is_a_transfer_without_results(site: Site) -> None:
    site.lock()
    assert await site.done(site.transfers.to_device(BOILER, ANNA)) == {}


async def test_the_offline_data_set_becomes_what_the_device_has(site: Site) -> None:
    site.lock()
    site.access.unreadable["low"] = status.BAD_DEVICE_FAILURE
    await site.configuration.set_offline(BOILER, {"low": 30.0, "span": 60.0})
    results = await site.done(site.transfers.from_device(BOILER, ANNA))
    assert site.access.reads[0][:3] == ("pressure", "unit", "mode")
    assert results["low"] == "BadDeviceFailure"
    assert results["span"] == "Good"
    assert results["odd"] == "BadWaitingForInitialData"
    assert "secret" not in results
    # What could not be read stays as the engineer set it.
    assert dict(site.configuration.offline(BOILER)) == {"low": 30.0}
    assert site.configuration.view(BOILER, "span").value == 50.0


async def test_a_device_that_does_not_answer_at_all_fails_the_whole_transfer(site: Site) -> None:
    async def nobody(_device: str, names: Iterable[str], _caller: Caller) -> Mapping[str, tuple[None, StatusCode]]:
        return dict.fromkeys(names, (None, status.BAD_TIMEOUT))

    site.lock()
    site.access.read = nobody  # type: ignore[method-assign, assignment]
    await site.configuration.set_offline(BOILER, {"low": 30.0})
    transfer_id, _ = site.transfers.from_device(BOILER, ANNA)
    await site.transfers.idle()
    answer = site.transfers.fetch(BOILER, transfer_id, 0, 0, False, ANNA)
    assert (answer.error, answer.results) == (-2, ())
    assert dict(site.configuration.offline(BOILER)) == {"low": 30.0}


async def test_a_disk_that_refuses_fails_the_transfer_and_loses_nothing(site: Site) -> None:
    site.lock()
    await site.configuration.set_offline(BOILER, {"low": 30.0})
    site.disk.error = IntegrationError("disk full")
    transfer_id, _ = site.transfers.to_device(BOILER, ANNA)
    await site.transfers.idle()
    assert site.transfers.fetch(BOILER, transfer_id, 0, 0, False, ANNA).error == -4
    assert dict(site.configuration.offline(BOILER)) == {"low": 30.0}


class Gate:
    """Writes that wait until the test lets them through."""

    def __init__(self, site: Site) -> None:
        self.started, self.go = asyncio.Event(), asyncio.Event()
        self._plain = site.access.write
        site.access.write = self._write  # type: ignore[method-assign]

    async def _write(self, device_id: str, name: str, value: Scalar, caller: Caller) -> StatusCode:
        self.started.set()
        await self.go.wait()
        return await self._plain(device_id, name, value, caller)


async def test_the_lock_neither_runs_out_nor_changes_hands_while_a_transfer_runs(site: Site) -> None:
    site.lock()
    await site.configuration.set_offline(BOILER, {"span": 60.0})
    gate = Gate(site)
    started = site.transfers.to_device(BOILER, ANNA)
    assert site.transfers.to_device(BOILER, ANNA) == (0, -3)
    await gate.started.wait()
    site.clock.advance(3600)
    site.locks.tick()
    assert site.locks.owns(BOILER, owner_of(ANNA))
    site.locks.session_closed("s1")
    assert site.locks.init_lock(BOILER, "", owner_of(BORIS)) == -1
    running = site.transfers.fetch(BOILER, started[0], 0, 0, False, ANNA)
    assert (running.code, running.end) == (status.GOOD, False)
    gate.go.set()
    # Results survive the Session that started it.
    assert await site.done((started[0], 0)) == {"span": "Good"}
    assert site.locks.init_lock(BOILER, "", owner_of(BORIS)) == 0


async def test_stopping_the_server_ends_a_transfer_and_keeps_what_was_not_confirmed(site: Site) -> None:
    site.lock()
    await site.configuration.set_offline(BOILER, {"span": 60.0})
    gate = Gate(site)
    transfer_id, _ = site.transfers.to_device(BOILER, ANNA)
    await gate.started.wait()
    await site.transfers.stop()
    assert site.transfers.fetch(BOILER, transfer_id, 0, 0, False, ANNA).error == -4
    assert dict(site.configuration.offline(BOILER)) == {"span": 60.0}
    assert site.locks.exit_lock(BOILER, owner_of(ANNA)) == 0


async def test_results_are_for_their_user_until_they_are_too_old(site: Site) -> None:
    site.lock()
    transfer_id, _ = site.transfers.to_device(BOILER, ANNA)
    await site.transfers.idle()
    fetch = site.transfers.fetch
    assert fetch(BOILER, transfer_id, 0, 0, False, BORIS).code == status.BAD_USER_ACCESS_DENIED
    assert fetch(BOILER, transfer_id + 1, 0, 0, False, ANNA).code == status.BAD_INVALID_ARGUMENT
    again = Caller(ANNA.user, ANNA.role, "opcua", session="another", application=ANNA.application)
    site.clock.advance(299)
    assert fetch(BOILER, transfer_id, 0, 0, False, again).code == status.GOOD
    site.clock.advance(1)
    assert fetch(BOILER, transfer_id, 0, 0, False, ANNA).code == status.BAD_INVALID_ARGUMENT


async def test_a_new_transfer_takes_the_place_of_the_old_results(site: Site) -> None:
    site.lock()
    first, _ = site.transfers.to_device(BOILER, ANNA)
    await site.transfers.idle()
    second, code = site.transfers.from_device(BOILER, ANNA)
    await site.transfers.idle()
    assert (code, second > first) == (0, True)
    assert site.transfers.fetch(BOILER, first, 0, 0, False, ANNA).code == status.BAD_INVALID_ARGUMENT


async def test_results_of_a_device_that_is_gone_are_gone(site: Site) -> None:
    site.lock()
    transfer_id, _ = site.transfers.to_device(BOILER, ANNA)
    await site.transfers.idle()
    for change in site.plant.uninstall("boiler"):
        site.transfers.model_changed(change)
    assert site.transfers.fetch(BOILER, transfer_id, 0, 0, False, ANNA).code == status.BAD_INVALID_ARGUMENT


async def test_a_device_that_goes_while_it_is_written_to_fails_the_transfer(site: Site) -> None:
    site.lock()
    await site.configuration.set_offline(BOILER, {"unit": 1, "span": 60.0})
    gate = Gate(site)
    transfer_id, _ = site.transfers.to_device(BOILER, ANNA)
    await gate.started.wait()
    plain = site.plant.device(BOILER)
    site.plant.uninstall("boiler")
    site.access.plant = boiler_plant(site.clock)  # what the fake still reports to
    gate.go.set()
    await site.transfers.idle()
    assert plain.device_id == BOILER
    assert site.transfers.fetch(BOILER, transfer_id, 0, 0, False, ANNA).error == -4
