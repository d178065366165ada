"""One value of an edit context: every (state, event) pair, and every StatusCode that the sheet lists."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core import status
from server.core.status import name_of
from server.fdi.edit_states import CLEAN, Dominance, Event, State, ValueState, code, follow

U, E, P = State.UNEDITED, State.EDITED, State.POST_FAILED
# By hand: where UNEDITED, EDITED and POST_FAILED lead.
STATES = {
    Event.EDIT: (E, E, E),
    Event.EDIT_BACK: (U, U, U),
    Event.DOMINANT_EDITED: (U, E, P),
    Event.DOMINANT_UNUSABLE: (U, E, P),
    Event.DOMINANT_SETTLED: (U, E, P),
    Event.DEPENDENT_EDITED: (U, E, P),
    Event.DEPENDENT_SETTLED: (U, E, P),
    Event.LEFT_RANGE: (U, E, P),
    Event.ENTERED_RANGE: (U, E, P),
    Event.DEVICE_CHANGED: (U, E, U),
    Event.APPLIED: (U, U, U),
    Event.APPLIED_POST_FAILED: (P, P, P),
    Event.APPLY_FAILED: (U, E, P),
    Event.RESET: (U, U, U),
}
KEEP = "keep"
# By hand: (dominance, dependent, out of range) after the event; "keep" as it was.
FLAGS = {
    Event.EDIT: (KEEP, KEEP, KEEP),
    Event.EDIT_BACK: (KEEP, KEEP, KEEP),
    Event.DOMINANT_EDITED: (Dominance.CHANGED, KEEP, KEEP),
    Event.DOMINANT_UNUSABLE: (Dominance.UNUSABLE, KEEP, KEEP),
    Event.DOMINANT_SETTLED: (Dominance.NONE, KEEP, KEEP),
    Event.DEPENDENT_EDITED: (KEEP, True, KEEP),
    Event.DEPENDENT_SETTLED: (KEEP, False, KEEP),
    Event.LEFT_RANGE: (KEEP, KEEP, True),
    Event.ENTERED_RANGE: (KEEP, KEEP, False),
    Event.DEVICE_CHANGED: (KEEP, KEEP, KEEP),
    Event.APPLIED: (KEEP, KEEP, KEEP),
    Event.APPLIED_POST_FAILED: (KEEP, KEEP, KEEP),
    Event.APPLY_FAILED: (KEEP, KEEP, KEEP),
    Event.RESET: (Dominance.NONE, False, False),
}
EVERY = [ValueState(*parts) for parts in itertools.product(State, Dominance, (False, True), (False, True))]


@pytest.mark.parametrize("event", list(Event), ids=lambda event: event.name)
def test_edit_pair(event: Event) -> None:
    # All 36 states of the value for each event.
    for before in EVERY:
        after = follow(before, event)
        kept = (before.dominance, before.dependent, before.out_of_range)
        flags = tuple(old if new == KEEP else new for old, new in zip(kept, FLAGS[event], strict=True))
        assert after.state is STATES[event][list(State).index(before.state)]
        assert (after.dominance, after.dependent, after.out_of_range) == flags


N, C, X = Dominance.NONE, Dominance.CHANGED, Dominance.UNUSABLE
# (state, dominance, dependent, out of range, status under it, default never set) -> name, from the sheet's vocabulary.
CODES = {
    (U, N, False, False, status.GOOD, False): "Good",
    (U, N, False, False, status.UNCERTAIN_LAST_USABLE_VALUE, False): "UncertainLastUsableValue",
    (U, N, False, False, status.BAD_NO_COMMUNICATION, False): "BadNoCommunication",
    (E, N, False, False, status.GOOD, False): "GoodEdited",
    (E, N, False, False, status.BAD_NO_COMMUNICATION, False): "GoodEdited",
    (P, N, False, False, status.GOOD, False): "GoodPostActionFailed",
    (U, C, False, False, status.GOOD, False): "UncertainDominantValueChanged",
    (U, N, True, False, status.GOOD, False): "GoodDependentValueChanged",
    (U, X, False, False, status.GOOD, False): "BadDominantValueChanged",
    (U, C, False, False, status.BAD_NO_COMMUNICATION, False): "BadDominantValueChanged",
    (E, X, False, False, status.GOOD, False): "BadDominantValueChanged",
    (U, N, True, False, status.UNCERTAIN_LAST_USABLE_VALUE, False): "UncertainDependentValueChanged",
    (U, N, True, False, status.BAD_NO_COMMUNICATION, False): "BadDependentValueChanged",
    (E, N, True, False, status.GOOD, False): "GoodEditedDependentValueChanged",
    (E, C, False, False, status.GOOD, False): "GoodEditedDominantValueChanged",
    (E, C, True, False, status.GOOD, False): "GoodEditedDominantValueChangedDependentValueChanged",
    (E, N, False, True, status.GOOD, False): "BadEditedOutOfRange",
    (E, N, True, True, status.GOOD, False): "BadEditedOutOfRange",
    (U, N, False, True, status.UNCERTAIN_INITIAL_VALUE, True): "BadInitialValueOutOfRange",
    # What the device itself reports outside its range stays what the device says.
    (U, N, False, True, status.GOOD, False): "Good",
    (U, C, False, True, status.GOOD, False): "BadOutOfRangeDominantValueChanged",
    (E, C, False, True, status.GOOD, False): "BadEditedOutOfRangeDominantValueChanged",
    (U, C, True, True, status.GOOD, False): "BadOutOfRangeDominantValueChangedDependentValueChanged",
    (E, C, True, True, status.GOOD, False): "BadEditedOutOfRangeDominantValueChangedDependentValueChanged",
}
VOCABULARY = {
    "GoodEdited", "GoodPostActionFailed", "UncertainDominantValueChanged", "GoodDependentValueChanged",
    "BadDominantValueChanged", "UncertainDependentValueChanged", "BadDependentValueChanged",
    "GoodEditedDependentValueChanged", "GoodEditedDominantValueChanged",
    "GoodEditedDominantValueChangedDependentValueChanged", "BadEditedOutOfRange", "BadInitialValueOutOfRange",
    "BadOutOfRangeDominantValueChanged", "BadEditedOutOfRangeDominantValueChanged",
    "BadOutOfRangeDominantValueChangedDependentValueChanged",
    "BadEditedOutOfRangeDominantValueChangedDependentValueChanged",
}  # fmt: skip


@pytest.mark.parametrize(("case", "name"), CODES.items(), ids=[f"{n}-{name}" for n, name in enumerate(CODES.values())])
def test_code_of_a_value(case: tuple[State, Dominance, bool, bool, int, bool], name: str) -> None:
    state, dominance, dependent, out_of_range, under, initial = case
    assert name_of(code(ValueState(state, dominance, dependent, out_of_range), under, initial=initial)) == name


def test_every_code_of_the_vocabulary_can_be_reached_by_events() -> None:
    # From the first state, by the table alone: no code is there for show.
    reached: set[ValueState] = {CLEAN}
    while True:
        more = {follow(value, event) for value in reached for event in Event} - reached
        if not more:
            break
        reached |= more
    unders = (status.GOOD, status.UNCERTAIN_LAST_USABLE_VALUE, status.BAD_NO_COMMUNICATION)
    names = {
        name_of(code(value, under, initial=initial))
        for value in reached
        for under in unders
        for initial in (False, True)
    }
    assert names >= VOCABULARY
    assert len(reached) == len(EVERY)


@given(events=st.lists(st.sampled_from(list(Event)), max_size=40))
def test_reset_always_leads_back_to_what_lies_under(events: list[Event]) -> None:
    value = CLEAN
    for event in events:
        value = follow(value, event)
        if value.state is State.EDITED:
            assert code(value, status.GOOD) != status.GOOD  # an edit never looks like the device's own value
    assert code(follow(value, Event.RESET), status.GOOD) == status.GOOD
