"""What a mail, a webhook and a syslog line say, and which events a channel tells of."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter, ValidationError

from server.core.clock import ManualClock
from server.core.errors import ConfigurationError
from server.core.texts import Texts
from server.core.values import AlarmEvent, DeviceId
from server.notify.channels.email import Email
from server.notify.channels.syslog import Syslog
from server.notify.channels.webhook import Webhook
from server.notify.message import Message, SendError, from_text, to_text
from server.notify.wanted import TOLD, wanted
from server.settings.notify import Channel, NotifySettings

EVENT = AlarmEvent(
    condition_id="pump-1/Alarms/level",
    device_id=DeviceId("pump-1"),
    name="level",
    kind="exclusive_limit",
    event_id=bytes(range(16)),
    time=1_772_438_400_000_000,
    receive_time=1_772_438_401_000_000,
    message="pump-1: Level 95 bar is above the high-high limit 90 bar",
    severity=800,
    active=True,
    acked=False,
    retain=True,
    limit_state="HighHigh",
    priority="high",
    comment='seen\r\nBcc: all@example.org "]\\',
    comment_user="olga",
)
MESSAGE = Message(
    f"duty:{EVENT.event_id.hex()}",
    EVENT,
    Texts.of("Level", ru="Уровень"),
    ("Plant", "Hall"),
    Texts.of("pump worn"),
    Texts.of("the line stops"),
    Texts.of("switch over", ru="переключить"),
    600.0,
)
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def channel(kind: str = "webhook", **more: Any) -> Any:
    usual: dict[str, dict[str, Any]] = {
        "email": {"host": "127.0.0.1", "sender": "plant@example.org", "recipients": ["duty@example.org"]},
        "webhook": {"url": "http://receiver.example/hook"},
        "syslog": {"host": "127.0.0.1"},
    }
    return TypeAdapter(Channel).validate_python({"kind": kind, "name": "duty", **usual[kind], **more})


def test_a_message_is_kept_as_it_is() -> None:
    assert from_text(MESSAGE.message_id, to_text(MESSAGE)) == MESSAGE


# -- which


@pytest.mark.parametrize(
    ("settings", "changes", "told"),
    [
        ({}, {}, True),
        ({}, {"active": False}, True),
        ({}, {"cause": "acknowledged"}, False),
        ({"tell": ["acknowledged"]}, {"cause": "confirmed"}, True),
        ({"tell": ["active"]}, {"cause": "re-alarmed"}, True),
        ({"tell": ["active"]}, {"active": False}, False),
        ({"severity": 801}, {}, False),
        ({"priorities": ["critical"]}, {}, False),
        ({"priorities": ["critical", "high"]}, {}, True),
        ({"classes": ["Safety"]}, {}, False),
        ({"devices": ["pump-*"]}, {}, True),
        ({"devices": ["engine-*"]}, {}, False),
        ({}, {"shelving": "TimedShelved"}, False),
        ({"suppressed": True}, {"shelving": "TimedShelved"}, True),
        ({"tell": ["shelved"]}, {"cause": "shelved", "shelving": "TimedShelved"}, True),
        ({}, {"cause": "branched"}, False),
        ({"tell": ["quality"]}, {"cause": "quality changed"}, True),
    ],
)
def test_a_channel_tells_of_what_it_is_asked_for(settings: dict[str, Any], changes: dict[str, Any], told: bool) -> None:
    assert wanted(channel(**settings), replace(EVENT, **changes)) is told


def test_every_word_of_tell_has_a_cause() -> None:
    words = {word for word in TOLD.values() if word} | {"active", "inactive"}
    for word in words:
        channel(tell=[word])
    with pytest.raises(ValidationError):
        channel(tell=["exploded"])


# -- mail


def test_a_mail_says_what_happened_and_what_to_do() -> None:
    mail = Email(channel("email", language="ru")).mail([MESSAGE])
    assert mail["Subject"] == "[HIGH] pump-1: Level 95 bar is above the high-high limit 90 bar"
    assert (mail["From"], mail["To"]) == ("plant@example.org", "duty@example.org")
    assert re.fullmatch(f"<{EVENT.event_id.hex()}\\.[0-9a-f]{{16}}@fieldloom>", mail["Message-ID"])
    assert mail["Message-ID"] == Email(channel("email")).mail([MESSAGE])["Message-ID"]
    text = mail.get_content()
    for words in (
        "Plant / Hall",
        "Cause: pump worn",
        "Action: переключить",
        "Time to respond: 600 s",
        "not acknowledged",
    ):
        assert words in text


def test_words_of_others_make_no_header() -> None:
    evil = replace(MESSAGE, event=replace(EVENT, message="hot\r\nBcc: all@example.org"))
    mail = Email(channel("email")).mail([evil])
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[HIGH] hot  Bcc: all@example.org"
    assert "\nBcc:" not in mail.as_string().partition("\n\n")[0]


def test_many_events_are_one_mail_with_the_gravest_in_its_subject() -> None:
    over = replace(MESSAGE, event=replace(EVENT, active=False, message="pump-2 is over"))
    mail = Email(channel("email")).mail([over, MESSAGE, over])
    assert mail["Subject"].endswith("high-high limit 90 bar (+2)")
    assert mail.get_content().count("pump-2 is over") == 2


def test_a_password_is_not_sent_in_the_clear() -> None:
    with pytest.raises(ValidationError, match="not sent without TLS"):
        channel("email", user="a", security="none")


# -- webhook


async def posted(code: int, **settings: Any) -> httpx.Request:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(code, headers={"Location": "http://elsewhere.example/"})

    hook = Webhook(channel(**settings), ManualClock(1_772_438_400_000_000), httpx.MockTransport(answer))
    await hook.send([MESSAGE])
    return seen[0]


async def test_a_webhook_is_signed_as_standard_webhooks_says() -> None:
    request = await posted(204, secret=SECRET)
    body = request.content
    assert request.headers["webhook-id"] == EVENT.event_id.hex()
    assert request.headers["webhook-timestamp"] == "1772438400"
    signed = f"{EVENT.event_id.hex()}.1772438400.".encode() + body
    mac = hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()
    assert request.headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
    document = json.loads(body)
    assert (document["type"], document["timestamp"]) == ("alarm.event", "2026-03-02T08:00:00.000000Z")
    assert document["data"]["id"] == "pump-1/Alarms/level"
    assert document["data"]["action"] == {"en": "switch over", "ru": "переключить"}


@pytest.mark.parametrize(
    ("code", "permanent"),
    [
        (301, False),
        (400, True),
        (401, False),
        (404, False),
        (410, True),
        (422, True),
        (429, False),
        (500, False),
        (503, False),
    ],
)
async def test_a_webhook_that_is_refused_says_whether_another_try_makes_sense(code: int, permanent: bool) -> None:
    with pytest.raises(SendError, match=f"answered {code}") as failed:
        await posted(code)
    assert failed.value.permanent is permanent


@pytest.mark.parametrize("secret", ["whsec_AAAA", "not base64!", "whsec_" + "A" * 400])
def test_a_secret_that_is_none_ends_the_start(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="secret must be"):
        Webhook(channel(secret=secret), ManualClock())


# -- syslog


def test_a_syslog_line_follows_rfc_5424() -> None:
    line = Syslog(channel("syslog"), host="plant-1").line(MESSAGE)
    head, _, text = line.partition(b"] \xef\xbb\xbf")
    assert text.decode() == EVENT.message
    begin, _, data = head.decode().partition(" [")
    assert re.fullmatch(r"<131>1 2026-03-02T08:00:01\.000000Z plant-1 fieldloom \d+ ALARM", begin)  # local0, error
    assert data.startswith('alarm@32473 id="pump-1/Alarms/level" event="000102030405060708090a0b0c0d0e0f"')


@pytest.mark.parametrize(
    ("changes", "priority"),
    [({"priority": "critical"}, 130), ({"priority": "low"}, 133), ({"active": False}, 134), ({"priority": ""}, 133)],
)
def test_the_syslog_severity_is_the_priority(changes: dict[str, Any], priority: int) -> None:
    line = Syslog(channel("syslog"), host="h").line(replace(MESSAGE, event=replace(EVENT, **changes)))
    assert line.startswith(f"<{priority}>1 ".encode())


def test_words_of_others_stay_inside_their_value() -> None:
    evil = replace(MESSAGE, event=replace(EVENT, comment_user='a"] b\\ \n<1>1 x', message="two\nlines"))
    line = Syslog(channel("syslog"), host="h").line(evil)
    assert b"\n" not in line
    assert b'user="a\\"\\] b\\\\  <1>1 x"' in line
    assert line.endswith(b"two lines")


def test_a_host_name_that_syslog_cannot_carry_is_left_out() -> None:
    assert Syslog(channel("syslog"), host="Anlage Süd").line(MESSAGE).split(b" ")[2] == b"AnlageSd"
    assert socket.gethostname()


# -- settings


def test_names_are_there_once() -> None:
    one = {"kind": "syslog", "name": "a", "host": "h"}
    with pytest.raises(ValidationError, match="two channels of the same name"):
        NotifySettings(channels=[one, one])  # type: ignore[list-item]
