"""E-mail: Apprise reads the URL; the mail (letter.py) and the session with the server (smtp.py) are ours.

Apprise's own session gives up to its time-out to each of nine steps, loads all certificates for every mail, makes a
new Message-ID for every try, and leaves the server's codes in a debug log.
"""

from __future__ import annotations

from email.utils import format_datetime

from apprise.common import NotifyFormat, NotifyType
from apprise.plugins.email import NotifyEmail

from zennotify.channel.attempt import UnreadableError, current
from zennotify.channel.letter import letter
from zennotify.channel.smtp import Mailing, RefusedError, Server, submit
from zennotify.channel.text import from_html
from zennotify.clock import SystemClock
from zennotify.core.model import Label


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
        server = Server(
            host=self.smtp_host,
            port=int(self.port or 0),
            mode=str(self.secure_mode),
            verify=bool(self.verify_certificate),
            user=self.user or "",
            password=self.password or "",
        )
        try:
            made.last = submit(made, server, Mailing(self._sender, recipient, text))
        except RefusedError as refused:
            made.last = refused.answer
            return False
        except (OSError, UnreadableError) as error:
            made.failed(self.smtp_host, error)
            return False
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
