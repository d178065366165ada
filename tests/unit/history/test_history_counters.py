"""Counters of the historian as values of the server's own device."""

from pathlib import Path

from server.alarms.history_counters import PARAMETERS, told
from server.alarms.server_device import SERVER_TYPE, Facts
from server.core import status
from server.core.clock import ManualClock
from server.history.recorder import Recorder
from server.history.stores.memory import MemoryStore
from server.settings import HistorySettings


async def test_every_counter_of_the_recorder_is_a_parameter_and_no_other(tmp_path: Path, clock: ManualClock) -> None:
    recorder = Recorder(MemoryStore(), HistorySettings(), tmp_path, clock)
    await recorder.start()
    counters = recorder.counters()
    await recorder.stop()
    assert set(counters) == set(PARAMETERS) <= set(SERVER_TYPE.parameters)
    assert all(label.best(("ru",))[0] == "ru" for label, _ in PARAMETERS.values())


def test_the_device_tells_what_was_counted(clock: ManualClock) -> None:
    facts = Facts(True, True, 0.0, 50.0, None, 0, history={"history_stored": 7, "history_spool_age_s": 2})
    values = {name: (value, code) for name, value, code in facts.measurement(clock.now()).values}
    assert values["history_stored"] == (7, status.GOOD)
    assert values["history_spool_age_s"] == (2.0, status.GOOD)
    assert values["history_dropped"] == (None, status.BAD_NO_COMMUNICATION)
    assert told({})["history_stored"] is None
