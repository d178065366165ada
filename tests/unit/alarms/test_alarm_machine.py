"""The engine against the simple model of tests/kit/alarm_model.py, walked at random: every event and every state."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from simulator.alarm_script import words
from tests.kit.alarm_model import Model, Refused, Traits
from tests.kit.alarm_twin import LEVEL_VALUES, EngineTwin

VERBS = (
    "acknowledge",
    "confirm",
    "comment",
    "enable",
    "disable",
    "shelve",
    "shelve-once",
    "unshelve",
    "suppress",
    "unsuppress",
    "remove-from-service",
    "place-in-service",
    "silence",
    "reset",
)
# Fractions that never meet, so that no two things are due at the same moment.
TRAITS = st.builds(
    Traits,
    confirm=st.booleans(),
    latch=st.booleans(),
    audible=st.booleans(),
    branches=st.integers(0, 2),
    on_delay=st.sampled_from([0.0, 3.125]),
    off_delay=st.sampled_from([0.0, 2.0625]),
    re_alarm=st.sampled_from([0.0, 17.5]),
)


class AlarmMachine(RuleBasedStateMachine):
    """One alarm and its model; the first is told what the second is told."""

    @initialize(traits=TRAITS)
    def begin(self, traits: Traits) -> None:
        self.model = Model(traits)
        self.twin = EngineTwin(traits)
        self.time = 0.0
        self.compared = 0

    def _compare(self) -> None:
        told = [words(facts) for facts in self.model.told]
        found = self.twin.told
        assert found[self.compared :] == told[self.compared :]
        self.compared = len(told)

    def _at(self) -> float:
        self.time += 1.0
        self.model.tick(self.time)
        self.twin.tick(self.time)
        return self.time

    @rule(level=st.sampled_from(list(LEVEL_VALUES)))
    def value(self, level: str) -> None:
        time = self._at()
        self.model.set(level, time)
        self.twin.set(level, time)
        self._compare()

    @rule()
    def lose(self) -> None:
        time = self._at()
        self.model.lose()
        self.twin.lose(time)
        self._compare()

    @rule(traits=TRAITS)
    def respecify(self, traits: Traits) -> None:
        time = self._at()
        self._compare()
        self.model.respecify(traits)
        self.twin.respecify(traits, time)
        self._compare()

    @rule(seconds=st.integers(1, 12))
    def wait(self, seconds: int) -> None:
        self.time += seconds
        self.model.tick(self.time)
        self.twin.tick(self.time)
        self._compare()

    @rule(verb=st.sampled_from(VERBS), seconds=st.sampled_from([11.25, 60.25, 0.0, 28_801.0]))
    def act(self, verb: str, seconds: float) -> None:
        self._act(verb, None, seconds)

    @precondition(lambda self: self.compared > 0)
    @rule(verb=st.sampled_from(VERBS[:3]), back=st.integers(0, 12))
    def act_on_an_event(self, verb: str, back: int) -> None:
        self._act(verb, max(0, self.compared - 1 - back), 0.0)

    def _act(self, verb: str, named: int | None, seconds: float) -> None:
        time = self._at()
        self._compare()
        try:
            self.model.act(verb, time, named, seconds)
            expected = "Good"
        except Refused as refused:
            expected = str(refused)
        assert self.twin.act(verb, time, named, seconds) == expected
        self._compare()

    @rule()
    def restart(self) -> None:
        self._compare()
        self.model.restart()
        self.twin.restart(self.time)
        self._compare()

    @invariant()
    def states_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.twin.retained() == (
            ([words(self.model.facts(self.model.now) | {"retain": True})] if self.model.retain else [])
            + [words(self.model.facts(part) | {"retain": True}) for part in self.model.branches if self.model.enabled]
        )
        assert len(set(self.twin.event_ids)) == len(self.twin.event_ids)


@pytest.mark.timeout(240)
def test_the_engine_is_what_the_model_says() -> None:
    run_state_machine_as_test(AlarmMachine, settings=settings(max_examples=300, stateful_step_count=60, deadline=None))
