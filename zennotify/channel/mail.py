"""E-mail: Apprise reads the URL; the mail (letter.py) and the session with the server are ours.

Apprise's own session gives up to its time-out to each of nine steps, loads all certificates for every mail, makes a
new Message-ID for every try, and leaves the server's codes in a debug log.
"""

from __future__ import annotations

import io
import smtplib
import socket
import ssl
from contextlib import suppress
from email.utils import format_datetime
from functools import cache
from typing import Any, Final

from apprise.common import NotifyFormat, NotifyType
from apprise.plugins.email import NotifyEmail

from zennotify.channel.attempt import Attempt, DeadlineReader, current
from zennotify.channel.dial import dial
from zennotify.channel.letter import letter
from zennotify.channel.outcome import MailAnswer, Stage
from zennotify.channel.text import from_html
from zennotify.clock import SystemClock
from zennotify.core.model import Label

#: What stands in the place of a code where a server cannot do what the URL asks for.
_NOT_OFFERED: Final = 502


class Mail(NotifyEmail):  # type: ignore[no-untyped-call] # of Apprise's __init_subclass__
    """Apprise's e-mail service with one deadline, the server's codes and a Message-ID that stays."""

    #: Of the delivery that is being sent; the same for each try of it.
    _delivery = ""

    def label(self, label: Label) -> None:
        """Put onto the next mail which delivery it is."""
        self._delivery = label.delivery

    def send(
        self,
        body: str,
        title: str = "",
        notify_type: NotifyType = NotifyType.INFO,
        attach: object = None,
        body_format: object = None,
        **_: object,
    ) -> bool:
        """Send one mail to the one recipient; what the server said is kept in the current attempt."""
        made = current()
        if made is None:
            msg = "mail is sent within an attempt"
            raise RuntimeError(msg)
        # A URL may ask for `format=text`; then Apprise has made text of the page already.
        page = "" if body_format == NotifyFormat.TEXT else body
        recipient, text = self._compose(title, from_html(page) if page else body, page)
        try:
            self._submit(made, recipient, text)
        except (OSError, smtplib.SMTPException) as error:
            answer = _answer(error)
            if answer is None:
                made.failed(self.smtp_host, error)
            else:
                made.last = answer
            return False
        made.last = MailAnswer(code=250)
        return True

    def _compose(self, title: str, text: str, html: str) -> tuple[str, str]:
        """Return the one recipient, and the mail."""
        [(name, recipient)] = self.targets
        headers: dict[str, str | tuple[str, str]] = {
            "Message-ID": f"<{self._delivery}.zennotify@{self._sender.rpartition('@')[2]}>",
            "Date": format_datetime(SystemClock().now()),
            "Subject": title,
            "From": (str(self.from_addr[0] or ""), self._sender),
            "To": (str(name or ""), str(recipient)),
        }
        for address in sorted(self.reply_to - {recipient})[:1]:
            headers["Reply-To"] = (str(self.names.get(address) or ""), str(address))
        # A machine wrote it: nobody's note of absence shall answer.
        headers |= {"Auto-Submitted": "auto-generated", "X-Application": self.app_id}
        return recipient, letter(headers | self.headers, text, html)

    @property
    def _sender(self) -> str:
        return str(self.from_addr[1])

    def _submit(self, made: Attempt, recipient: str, text: str) -> None:
        context = _context(bool(self.verify_certificate))
        tls_first = self.secure_mode == "ssl"
        session = _Session(made, self.smtp_host, int(self.port or 0), context if tls_first else None)
        try:
            if self.secure_mode == "starttls":
                session.starttls(context=context)
            if self.user and self.password:
                session.login(self.user, self.password)
            session.sendmail(self._sender, [recipient], text)
            with suppress(OSError, smtplib.SMTPException):  # it has the message, whatever it says now
                session.quit()
        finally:
            session.close()


class _Session(smtplib.SMTP):
    """One conversation with a mail server, within what the attempt may still spend."""

    file: io.BufferedReader | None

    def __init__(self, made: Attempt, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._made = made
        self._tls_first = context
        made.sent = False
        super().__init__(host, port, local_hostname=_own_name(), timeout=made.left())

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = dial(host, port, self._made.left)
        return sock if self._tls_first is None else self._tls_first.wrap_socket(sock, server_hostname=host)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:  # at the beginning, and again after STARTTLS
            self.file = io.BufferedReader(DeadlineReader(self.sock.makefile("rb"), self.sock))
        return super().getreply()

    def send(self, s: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self._made.left())
        super().send(s)

    def data(self, msg: Any) -> tuple[int, bytes]:
        self._made.sent = True
        return super().data(msg)


def _answer(error: Exception) -> MailAnswer | None:
    """Return what the server said, or None where it said nothing."""
    match error:
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            code, said = next(iter(refused.values()))
            return MailAnswer(code=code, words=_text(said))
        case smtplib.SMTPSenderRefused() | smtplib.SMTPDataError():
            return MailAnswer(code=error.smtp_code, words=_text(error.smtp_error))
        case smtplib.SMTPResponseException():
            return MailAnswer(code=error.smtp_code, words=_text(error.smtp_error), stage=Stage.SESSION)
        case smtplib.SMTPNotSupportedError():
            return MailAnswer(code=_NOT_OFFERED, words=str(error), stage=Stage.SESSION)
        case _:
            return None


def _text(said: bytes | str) -> str:
    return said if isinstance(said, str) else said.decode(errors="replace")


@cache
def _context(verify: bool) -> ssl.SSLContext:
    """Return a TLS context; loading the certificates takes 15 ms.  Each kind has its own and nobody changes it."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@cache
def _own_name() -> str:
    """Return how we introduce ourselves; smtplib would ask the name service for every mail."""
    name = socket.gethostname()
    return name if "." in name else socket.getfqdn()
