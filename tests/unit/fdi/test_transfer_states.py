"""The life of a transfer, every (state, event) pair, and the portions in which its results are fetched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core import status
from server.core.errors import LocalError
from server.fdi.transfer_results import FetchOutcome, ParameterResult, TransferResults
from server.fdi.transfer_states import Event, State, follow

R, D, F, E, G = State.RUNNING, State.DONE, State.FAILED, State.EMPTY, State.GONE
# By hand: where RUNNING, DONE, FAILED, EMPTY, GONE lead; None: refused.
EXPECTED = {
    Event.RESULT: (R, None, None, None, None),
    Event.FINISH: (D, None, None, None, None),
    Event.FAIL: (F, None, None, None, None),
    Event.DRAINED: (None, E, E, None, None),
    Event.EXPIRE: (None, G, G, G, None),  # a running transfer is never too old
    Event.REPLACE: (None, G, G, G, None),
}


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.name)
@pytest.mark.parametrize("event", list(Event), ids=lambda event: event.name)
def test_transfer_pair(state: State, event: Event) -> None:
    expected = EXPECTED[event][list(State).index(state)]
    if expected is None:
        with pytest.raises(LocalError) as refused:
            follow(state, event)
        assert refused.value.status == status.BAD_INVALID_STATE
    else:
        assert follow(state, event) is expected


def filled(count: int = 5, bad: tuple[int, ...] = (), *, finished: bool = True) -> TransferResults:
    """Results p0 … of which some are bad."""
    results = TransferResults()
    for number in range(count):
        results.add(ParameterResult(f"p{number}", status.BAD_TIMEOUT if number in bad else status.GOOD))
    if finished:
        results.finish()
    return results


def names(outcome: FetchOutcome) -> list[str]:
    return [result.name for result in outcome.results]


def test_results_come_in_portions_that_are_acknowledged() -> None:
    results = filled(5)
    first = results.fetch(0, 2, omit_good=False)
    assert (first.sequence, names(first), first.end) == (1, ["p0", "p1"], False)
    second = results.fetch(1, 2, omit_good=False)
    assert (second.sequence, names(second), second.end) == (2, ["p2", "p3"], False)
    third = results.fetch(2, 2, omit_good=False)
    assert (third.sequence, names(third), third.end) == (3, ["p4"], True)
    assert results.fetch(3, 2, omit_good=False).code == status.BAD_NOTHING_TO_DO
    assert results.fetch(0, 2, omit_good=False).code == status.BAD_NOTHING_TO_DO


def test_a_lost_answer_can_be_asked_for_again() -> None:
    # DI: SequenceNumber 0 repeats the last portion. A client that repeats its whole request gets it too.
    results = filled(5)
    results.fetch(0, 2, omit_good=False)
    second = results.fetch(1, 2, omit_good=False)
    assert results.fetch(0, 2, omit_good=False) == second
    assert results.fetch(1, 2, omit_good=False) == second
    last = results.fetch(2, 2, omit_good=False)
    assert results.fetch(0, 2, omit_good=False) == last


def test_good_results_are_left_out_on_demand() -> None:
    results = filled(6, bad=(1, 3))
    first = results.fetch(0, 1, omit_good=True)
    assert (names(first), first.end) == (["p1"], False)
    second = results.fetch(1, 1, omit_good=True)
    assert (names(second), second.end) == (["p3"], True)  # what is left is Good: nothing more will come
    all_good = filled(3).fetch(0, 10, omit_good=True)
    assert (names(all_good), all_good.end) == ([], True)


def test_a_running_transfer_gives_what_there_is() -> None:
    results = TransferResults()
    nothing = results.fetch(0, 0, omit_good=False)
    assert (nothing.code, names(nothing), nothing.end) == (status.GOOD, [], False)
    results.add(ParameterResult("p0", status.GOOD))
    some = results.fetch(0, 0, omit_good=False)  # an empty portion is not worth repeating
    assert (names(some), some.end) == (["p0"], False)
    results.finish()
    last = results.fetch(some.sequence, 0, omit_good=False)
    assert (names(last), last.end) == ([], True)


@pytest.mark.parametrize(("sequence", "most"), [(2, 1), (-1, 1), (99, 1), (0, -1)])
def test_numbers_that_make_no_sense_change_nothing(sequence: int, most: int) -> None:
    results = filled(3)
    assert results.fetch(sequence, most, omit_good=False).code == status.BAD_INVALID_ARGUMENT
    assert names(results.fetch(0, 0, omit_good=False)) == ["p0", "p1", "p2"]


def test_one_answer_never_carries_more_than_the_server_wants() -> None:
    results = filled(2_500)
    assert len(results.fetch(0, 2_000_000_000, omit_good=False).results) == 1_000
    assert len(results.fetch(1, 0, omit_good=False).results) == 1_000


def test_a_transfer_that_failed_as_a_whole_tells_its_error_once() -> None:
    results = filled(3, finished=False)
    results.fail(-2)
    failed = results.fetch(0, 10, omit_good=False)
    assert (failed.code, failed.error, failed.end, failed.results) == (status.GOOD, -2, True, ())
    assert results.fetch(0, 10, omit_good=False) == failed
    assert results.fetch(failed.sequence, 10, omit_good=False).code == status.BAD_NOTHING_TO_DO


@given(
    count=st.integers(0, 40),
    most=st.integers(0, 7),
    lost=st.sets(st.integers(0, 60)),
    arriving=st.lists(st.integers(0, 3), max_size=30),
)
def test_nothing_is_lost_or_doubled_whatever_answers_get_lost(
    count: int, most: int, lost: set[int], arriving: list[int]
) -> None:
    results, made, got, acknowledged = TransferResults(), 0, [], 0
    for turn in range(400):
        for _ in range(arriving[turn] if turn < len(arriving) else count):
            if made < count:
                results.add(ParameterResult(f"p{made}", status.GOOD))
                made += 1
        if made == count and results.state is State.RUNNING:
            results.finish()
        answer = results.fetch(acknowledged, most, omit_good=False)
        if answer.code == status.BAD_NOTHING_TO_DO:
            break
        if turn in lost:
            continue  # the client asks the same again
        got += names(answer)
        acknowledged = answer.sequence
    assert got == [f"p{number}" for number in range(count)]
