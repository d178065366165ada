"""The pause of the garbage collector ends with the last one that asked for it, and changes nothing else."""

import gc

import pytest

from server.core.collector import paused


def test_overlapping_pauses_end_with_the_last() -> None:
    with paused():
        with paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_fault_inside_ends_the_pause() -> None:
    with pytest.raises(ValueError, match="inside"), paused():
        raise ValueError("inside")
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    # The server's start switches it off for longer than one package takes.
    gc.disable()
    try:
        with paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
