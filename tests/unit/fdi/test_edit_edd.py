"""Editing, transferring and keeping values by the logic of a real EDD: everything together, no fakes but the device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from server.core import status
from server.core.clock import ManualClock
from server.core.status import name_of
from server.core.values import DeviceId, Measurement, Scalar
from server.database.site import SiteDatabase
from server.fdi.configuration import Configuration
from server.fdi.edit_context import EditContexts
from server.fdi.edit_values import Side
from server.fdi.logic.live import LiveLogic
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.parameters import translate_parameters
from server.fdi.transfer import TransferService
from server.model.lock import Locks, owner_of
from server.model.plant import Plant
from server.settings import FdiSettings
from tests.kit.edd import model
from tests.kit.editing import ANNA, FakeAccess
from tests.kit.plant import pump_type

DEVICE = DeviceId("gauge-1")
EDD = """
VARIABLE pressure_unit { LABEL "Unit"; CLASS DEVICE; HANDLING READ & WRITE;
    TYPE ENUMERATED (1) { { 0, "bar" }, { 1, "kPa" } } }
VARIABLE limit { LABEL "Limit"; CLASS DEVICE; HANDLING READ & WRITE;
    TYPE DOUBLE { DEFAULT_VALUE 5.0; MIN_VALUE 0.0;
        MAX_VALUE IF (pressure_unit == 1) { 1600.0; } ELSE { 16.0; } } }
VARIABLE warning { LABEL "Warning"; CLASS DEVICE; HANDLING READ & WRITE;
    TYPE DOUBLE { MIN_VALUE 0.0; MAX_VALUE limit; } }
VARIABLE damping { LABEL "Damping"; CLASS DEVICE; HANDLING READ & WRITE;
    VALIDITY IF (filter_on == 1) { TRUE; } ELSE { FALSE; }
    TYPE DOUBLE; }
VARIABLE filter_on { LABEL "Filter"; CLASS DEVICE; HANDLING READ & WRITE;
    TYPE ENUMERATED (1) { { 0, "off" }, { 1, "on" } } }
VARIABLE pressure { LABEL "Pressure"; CLASS DEVICE & DYNAMIC; HANDLING READ; TYPE DOUBLE; }
VARIABLE scratch { LABEL "Scratch"; CLASS LOCAL; PRIVATE TRUE; HANDLING READ & WRITE;
    TYPE DOUBLE { INITIAL_VALUE 7.0; } }
UNIT pressure_units { pressure_unit : limit, pressure }
REFRESH refresh_pressure { filter_on : pressure }
WRITE_AS_ONE both { limit, warning }
"""


class Gauge:
    """One gauge that has reported its settings, and everything that edits it."""

    def __init__(self, clock: ManualClock, records: SiteDatabase) -> None:
        edd = model(EDD)
        parameters, hidden = translate_parameters(edd, part="gauge.ddl")
        self.logic = TypeLogic(edd, {**parameters, **hidden})
        self.clock = clock
        self.plant = Plant()
        self.plant.install(
            replace(
                pump_type("gauge"),
                parameters=parameters,
                hidden=hidden,
                logic=self.logic,
                alarms=(),
            )
        )
        self.configuration = Configuration(records, self.plant)
        self.live = LiveLogic(self.plant, self.configuration.local)
        self.say(pressure_unit=0, limit=10.0, warning=8.0, filter_on=1, damping=0.5, pressure=3.0)
        self.locks = Locks(clock)
        self.access = FakeAccess(self.plant, clock, type_id="gauge")
        self.contexts = EditContexts(
            self.plant, self.locks, self.configuration, self.live, self.access, None, clock, FdiSettings()
        )
        self.transfers = TransferService(self.plant, self.locks, self.configuration, self.access, clock)
        self.locks.init_lock(DEVICE, "", owner_of(ANNA))
        self.context, _ = self.contexts.get(DEVICE, "", 1, ANNA)

    def say(self, **values: Scalar) -> None:
        self.clock.advance(0.001)
        now = self.clock.now()
        taken = tuple((name, value, status.GOOD) for name, value in values.items())
        self.live.evaluate(self.plant.apply(Measurement("gauge", DEVICE, taken, now, now), now).updates)

    async def edit(self, side: Side = Side.ONLINE, **values: Scalar) -> None:
        for name, value in values.items():
            assert await self.contexts.write(self.context, side, name, value, ANNA) == status.GOOD

    def look(self, name: str, side: Side = Side.ONLINE) -> tuple[Scalar | None, str]:
        seen = self.contexts.read(self.context, side, name)
        return seen.value, name_of(seen.status)


@pytest.fixture
async def gauge(clock: ManualClock, tmp_path: Path) -> object:
    records = SiteDatabase(tmp_path / "site.db")
    yield Gauge(clock, records)
    records.close()


async def test_an_edited_unit_changes_what_others_mean_in_the_context_only(gauge: Gauge) -> None:
    assert gauge.contexts.read(gauge.context, Side.ONLINE, "limit").spec.ranges == ((0.0, 16.0),)
    await gauge.edit(pressure_unit=1)
    seen = gauge.contexts.read(gauge.context, Side.ONLINE, "limit")
    assert (seen.value, name_of(seen.status)) == (10.0, "UncertainDominantValueChanged")
    assert seen.spec.ranges == ((0.0, 1600.0),)
    assert seen.spec.unit_symbol == "kPa"
    assert gauge.look("pressure") == (3.0, "UncertainDominantValueChanged")
    assert gauge.look("limit", Side.OFFLINE) == (10.0, "Good")
    point = gauge.plant.device(DEVICE).points["limit"]
    assert point.spec.unit_symbol == "bar"
    await gauge.edit(limit=1000.0)
    assert gauge.look("limit") == (1000.0, "GoodEditedDominantValueChanged")
    assert gauge.look("pressure_unit") == (1, "GoodEditedDependentValueChanged")


async def test_a_maximum_that_follows_an_edited_value_pushes_others_out_of_range(gauge: Gauge) -> None:
    await gauge.edit(limit=5.0)
    assert gauge.look("warning") == (8.0, "BadOutOfRangeDominantValueChanged")
    outcome = await gauge.contexts.apply(gauge.context, ANNA)
    assert {(entry.name, name_of(entry.status)) for entry in outcome.incidents} == {
        ("limit", "BadInvalidState"),
        ("warning", "BadOutOfRange"),
    }
    assert gauge.access.writes == []
    await gauge.edit(warning=4.0)
    assert (await gauge.contexts.apply(gauge.context, ANNA)).status == 0
    assert sorted(gauge.access.writes) == [("limit", 5.0), ("warning", 4.0)]
    assert gauge.look("warning") == (4.0, "Good")


async def test_a_parameter_that_an_edit_makes_invalid_cannot_be_edited(gauge: Gauge) -> None:
    await gauge.edit(filter_on=0)
    assert gauge.look("damping") == (0.5, "BadDominantValueChanged")
    assert await gauge.contexts.write(gauge.context, Side.ONLINE, "damping", 1.0, ANNA) == status.BAD_NOT_WRITABLE
    assert gauge.look("pressure")[1] == "UncertainDominantValueChanged"


async def test_private_values_are_there_for_methods_and_for_nobody_else(gauge: Gauge) -> None:
    contexts = gauge.contexts
    assert contexts.register(gauge.context, ["scratch"], ANNA) == [-3]
    assert await contexts.write(gauge.context, Side.ONLINE, "scratch", 1.0, ANNA) == status.BAD_NODE_ID_UNKNOWN
    assert contexts.values(gauge.context, Side.ONLINE).value("scratch") == 7.0
    assert contexts.set_from_method(gauge.context, Side.ONLINE, "scratch", 8) == status.GOOD
    assert contexts.values(gauge.context, Side.ONLINE).value("scratch") == 8.0


async def test_an_offline_day_ends_with_a_transfer_dominant_first(gauge: Gauge) -> None:
    await gauge.edit(Side.OFFLINE, limit=15.0, pressure_unit=1)
    await gauge.edit(Side.OFFLINE, limit=1500.0)
    assert (await gauge.contexts.apply(gauge.context, ANNA)).status == 0
    assert gauge.configuration.view(DEVICE, "limit").status == status.GOOD_EDITED
    # 1500 is checked against the offline unit, not against what the device has now.
    assert await gauge.configuration.write(DEVICE, "limit", 1600.0, ANNA) == status.GOOD
    transfer, code = gauge.transfers.to_device(DEVICE, ANNA)
    await gauge.transfers.idle()
    answer = gauge.transfers.fetch(DEVICE, transfer, 0, 0, False, ANNA)
    assert (code, answer.end) == (0, True)
    assert {result.status for result in answer.results} == {status.GOOD}
    sent = [name for name, _ in gauge.access.writes]
    assert sent.index("pressure_unit") < sent.index("limit")
    assert ("limit", 1600.0) in gauge.access.writes
    assert gauge.configuration.offline(DEVICE) == {}
