"""Mail through SMTP (RFC 5321, RFC 5322): one mail for everything that waits."""

from __future__ import annotations

import asyncio
import hashlib
import smtplib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from server.core.clock import SECOND, to_iso
from server.core.errors import ConfigurationError
from server.core.texts import Texts
from server.notify.message import TEST, Message, SendError
from server.notify.smtp import Delivery
from server.settings.notify import EmailChannel

AT_ONCE = 50
"""Events in one mail."""
PATIENCE = 6
"""Times `timeout_s`, which is for one answer: the longest that one mail may take."""
_LINE = 200


class Email:
    """One channel."""

    at_once = AT_ONCE
    together = True

    def __init__(self, settings: EmailChannel) -> None:
        """Raises ConfigurationError: an address that is none."""
        self._settings = settings
        self._sender = _address(settings, "sender", settings.sender)
        self._recipients = [_address(settings, "recipients", each) for each in settings.recipients]
        self._left: tuple[str, tuple[str, ...]] = ("", ())
        """(Message-ID, recipients) of a mail that the server has taken for the others."""

    async def send(self, messages: Sequence[Message]) -> str:
        """Hand a mail over; raises SendError. Whom the server refuses for good, while it takes the mail for others, is
        told; those it puts off are tried again alone.
        """
        mail = self.mail(messages)
        identity = str(mail["Message-ID"])
        wanted = self._left[1] if self._left[0] == identity else tuple(each.addr_spec for each in self._recipients)
        delivery = Delivery(self._settings)
        try:
            async with asyncio.timeout(self._settings.timeout_s * PATIENCE):
                refused = await asyncio.to_thread(delivery.run, mail, wanted)
        except TimeoutError as error:
            raise SendError(f"{self._place}: {error or 'slower than a mail may be'}") from error
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise SendError(f"{self._place}: {error}", permanent=_refused(error)) from error
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise SendError(f"{self._place}: {error}") from error
        finally:
            # The thread goes on when its time is over or the server stops: it must not hold up anybody.
            delivery.abandon()
        later = tuple(address for address, (code, _) in refused.items() if code < 500)
        self._left = (identity, later) if later else ("", ())
        if later:
            raise SendError(f"{self._place}: put off for {_refusals(refused)}")
        return f"{self._place}: refused for {_refusals(refused)}" if refused else ""

    @property
    def _place(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def mail(self, messages: Sequence[Message]) -> EmailMessage:
        """The mail of some events, the newest one in its subject."""
        first = messages[0]
        mail = EmailMessage()
        mail["From"] = self._sender
        mail["To"] = self._recipients
        mail["Subject"] = self._subject(messages)
        mail["Date"] = format_datetime(datetime.fromtimestamp(first.event.receive_time / SECOND, UTC))
        # The same at every try: what comes twice is seen to be the same mail.
        what = hashlib.sha256("".join(message.key for message in messages).encode()).hexdigest()[:16]
        mail["Message-ID"] = f"<{first.key}.{what}@fieldloom>"
        mail["Auto-Submitted"] = "auto-generated"
        text = "\n\n".join(self._paragraph(message) for message in messages) + "\n"
        mail.set_content(text.encode("utf-8", "replace").decode())
        return mail

    def _subject(self, messages: Sequence[Message]) -> str:
        gravest = max(messages, key=lambda message: (message.event.active, message.event.severity))
        event = gravest.event
        state = "TEST" if event.cause == TEST else (event.priority or "alarm").upper() if event.active else "over"
        more = f" (+{len(messages) - 1})" if len(messages) > 1 else ""
        return _one_line(f"[{state}] {event.message}{more}")

    def _paragraph(self, message: Message) -> str:
        event, language = message.event, self._settings.language
        lines = [
            f"{to_iso(event.time)}  {event.message}",
            f"  {event.condition_id}: {'active' if event.active else 'inactive'}, "
            f"{'acknowledged' if event.acked else 'not acknowledged'}, severity {event.severity}, {event.cause}",
        ]
        if message.place:
            lines.append(f"  {' / '.join(message.place)}")
        if event.comment:
            lines.append(f"  {event.comment_user}: {event.comment}")
        lines += [
            f"  {title}: {text}"
            for title, text in (
                ("Cause", _in(message.cause, language)),
                ("Consequence", _in(message.consequence, language)),
                ("Action", _in(message.action, language)),
                ("Time to respond", f"{message.response_s:g} s" if message.response_s else ""),
            )
            if text and event.active
        ]
        return "\n".join(lines)


def _address(settings: EmailChannel, key: str, text: str) -> Address:
    try:
        return Address(addr_spec=text)
    except (ValueError, IndexError, MessageError):
        raise ConfigurationError(
            [f"notify.channels: {settings.name}: {key}: {text!r} is no mail address"], what="settings"
        ) from None


def _in(texts: Texts, language: str) -> str:
    return texts.best([language])[1]


def _one_line(text: str) -> str:
    """Nothing that a header would be split by."""
    return "".join(character if character.isprintable() else " " for character in text)[:_LINE]


def _refusals(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{name}: {code} {text.decode(errors='replace')}" for name, (code, text) in refused.items())


def _refused(error: smtplib.SMTPException) -> bool:
    """Whether every code that came is a refusal for good (5xx)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    code = getattr(error, "smtp_code", 0)
    return isinstance(code, int) and code >= 500
