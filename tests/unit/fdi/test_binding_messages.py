"""What a message of `mqtt.toml` may say of its device and its time."""

from __future__ import annotations

import pytest

from server.core.texts import Texts
from server.fdi.binding import BindingFile, read_binding
from server.fdi.errors import PackageError
from server.model.device_type import DataType, ParameterSpec

PARAMETERS = {"level": ParameterSpec(name="level", label=Texts.of("Level"), data_type=DataType.DOUBLE)}


def read(message: str, head: str = "") -> BindingFile:
    text = f'type = "thing"\n{head}[[message]]\n{message}\n[message.parameters]\nlevel = "/level"\n'
    return read_binding(text.encode(), part="/protocol/mqtt.toml", parameters=PARAMETERS)


def test_a_topic_that_devices_share_needs_no_device_level_when_the_message_names_the_device() -> None:
    (row,) = read('topic = "hall/telemetry"\ndevice = "/id"').binding.rows
    assert (row.topic, row.device_pointer) == ("hall/telemetry", "/id")


@pytest.mark.parametrize(
    ("message", "head"),
    [
        ('topic = "hall/telemetry"', ""),  # nobody would know the device
        ('topic = "hall/{site}/telemetry"\ndevice = "/id"', 'device_id = "{site}.{device}"\n'),  # half of an id
    ],
)
def test_otherwise_the_topic_must_hold_every_part_of_the_device_id(message: str, head: str) -> None:
    with pytest.raises(PackageError) as caught:
        read(message, head)
    assert "lacks {device}" in str(caught.value)


def test_a_numeric_time_names_its_unit() -> None:
    (row,) = read('topic = "a/{device}"\ntime = "/t"\ntime_form = "epoch_ms"').binding.rows
    assert (row.time_pointer, row.time_form) == ("/t", "epoch_ms")
    (plain,) = read('topic = "a/{device}"\ntime = "/t"').binding.rows
    assert plain.time_form == ""


@pytest.mark.parametrize(
    ("data_type", "low", "high"), [(DataType.INT64, -(2**63), 2**63 - 1), (DataType.UINT64, 0, 2**64 - 1)]
)
def test_the_ends_of_long_integers_are_exact(data_type: DataType, low: int, high: int) -> None:
    """A double cannot hold them: one more than the type holds would pass and could not be encoded."""
    spec = ParameterSpec(name="total", label=Texts.of("Total"), data_type=data_type)
    text = b'type = "thing"\n[[message]]\ntopic = "a/{device}"\n[message.parameters]\ntotal = "/t"\n'
    (row,) = read_binding(text, part="/protocol/mqtt.toml", parameters={"total": spec}).binding.rows
    (bound,) = row.parameters
    assert (bound.minimum, bound.maximum) == (low, high)
    assert bound.maximum is not None and bound.maximum < high + 1


@pytest.mark.parametrize("more", ['time = "/t"\ntime_form = "epoch"', 'time_form = "epoch_s"'])
def test_an_unknown_form_or_one_without_a_time_is_a_mistake(more: str) -> None:
    with pytest.raises(PackageError) as caught:
        read(f'topic = "a/{{device}}"\n{more}')
    assert "time_form" in str(caught.value)
