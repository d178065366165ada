"""The sounds of audible alarms."""

from __future__ import annotations

import io
import itertools
import wave

from server.alarms.sound import RATE_HZ, SECONDS, sound


def test_a_sound_is_a_wav_file_of_its_own_for_every_name() -> None:
    with wave.open(io.BytesIO(sound("horn"))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 1, RATE_HZ)
        assert file.getnframes() == RATE_HZ * SECONDS
        first = file.readframes(400)
    # 220 Hz: about eleven waves in the first 400 samples of 8 000 a second.
    rising = sum(before < 128 <= after for before, after in itertools.pairwise(first))
    assert rising in (10, 11)
    assert sound("horn") == sound("horn") != sound("bell")
    assert sound("гудок") not in (b"", sound("bell"))
    assert sound("") == b""
