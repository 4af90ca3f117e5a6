"""E-mail: Apprise reads the URL and builds the message, the session with the server is ours (smtp.py).

Apprise's own session gives up to its time-out to each of nine steps, loads all certificates for every mail, makes a
new Message-ID for every try, and leaves the server's codes in a debug log.
"""

from __future__ import annotations

import re

from apprise.common import NotifyType
from apprise.plugins.email import NotifyEmail

from zennotify.channel.attempt import UnreadableError, current
from zennotify.channel.smtp import Mailing, RefusedError, Server, submit

_MESSAGE_ID = re.compile(r"^message-id:.*\n(?:[ \t].*\n)*", re.IGNORECASE | re.MULTILINE)


class Mail(NotifyEmail):  # type: ignore[no-untyped-call] # of Apprise's __init_subclass__
    """Apprise's e-mail service with one deadline, the server's codes and a Message-ID that stays."""

    #: Of the delivery that is being sent; the same for each try of it.
    delivery_id = ""

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
        recipient, text = self._compose(body, title, body_format)
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

    def _compose(self, body: str, title: str, body_format: object) -> tuple[str, str]:
        message = next(
            NotifyEmail.prepare_emails(
                subject=title,
                body=body,
                notify_format=self.resolve_format(body_format),  # type: ignore[arg-type] # None is taken too
                from_addr=self.from_addr,
                to=self.targets,
                reply_to=self.reply_to,
                smtp_host=self.smtp_host,
                headers={"X-Application": self.app_id} | self.headers,
                names=self.names,
                tzinfo=self.tzinfo,
            )
        )
        head, blank, rest = message.body.partition("\n\n")
        head = _MESSAGE_ID.sub("", f"{head}\n").rstrip("\n")
        domain = self._sender.rpartition("@")[2]
        label = f"Message-ID: <{self.delivery_id}.zennotify@{domain}>"
        return message.recipient, f"{label}\n{head}{blank}{rest}"

    @property
    def _sender(self) -> str:
        return str(self.from_addr[1])
