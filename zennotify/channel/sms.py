"""SMS services that must be told which alphabet a message is written in: Apprise's own, which do not tell them.

What is not said is wrong for half of the messages: other letters arrive as `?`, or each message is paid for as two.
All other services of services.py look at the text themselves.
"""

from __future__ import annotations

from typing import Any

import requests
from apprise.plugins.bulksms import NotifyBulkSMS
from apprise.plugins.messagebird import NotifyMessageBird
from apprise.plugins.vonage import NotifyVonage

from zennotify.message.sms import Encoding, measure


class BulkSms(NotifyBulkSMS):  # type: ignore[no-untyped-call] # of Apprise's __init_subclass__
    """Sends as Unicode only what is no GSM-7."""

    def send(self, body: str, *arguments: Any, **options: Any) -> bool:
        """Send one message to the one recipient."""
        self.unicode = _is_unicode(body)
        return bool(super().send(body, *arguments, **options))  # type: ignore[no-untyped-call] # Apprise's


class Vonage(NotifyVonage):  # type: ignore[no-untyped-call] # of Apprise's __init_subclass__
    """Says that a text is Unicode, where it is; Apprise's own request has no place for that."""

    def send(self, body: str, *_: object, **__: object) -> bool:
        """Send one message to the one recipient."""
        [target] = self.targets
        fields = {
            "api_key": self.apikey,
            "api_secret": self.secret,
            "ttl": self.ttl,
            "from": self.source,
            "to": target,
            "type": "unicode" if _is_unicode(body) else "text",
            "text": body,
        }
        return _is_posted(self, fields, {})


class MessageBird(NotifyMessageBird):  # type: ignore[no-untyped-call] # of Apprise's __init_subclass__
    """Says that a text is Unicode, where it is; Apprise's own request has no place for that."""

    def send(self, body: str, *_: object, **__: object) -> bool:
        """Send one message to the one recipient."""
        [target] = self.targets
        fields = {
            "originator": f"+{self.source}",
            "recipients": f"+{target}",
            "datacoding": "unicode" if _is_unicode(body) else "plain",
            "body": body,
        }
        return _is_posted(self, fields, {"Authorization": f"AccessKey {self.apikey}"})


def _is_unicode(text: str) -> bool:
    return measure(text).encoding is Encoding.UCS2


def _is_posted(plugin: Any, fields: dict[str, Any], headers: dict[str, str]) -> bool:
    """Post a form as Apprise would, and return whether it was taken; egress.py keeps what came of it."""
    answer = requests.post(
        plugin.notify_url,
        data=fields,
        headers={
            "User-Agent": plugin.app_id,
            "Content-Type": "application/x-www-form-urlencoded",
            **headers,
        },
        verify=plugin.verify_certificate,
        timeout=plugin.request_timeout,
        allow_redirects=plugin.redirects,
    )
    return answer.status_code in {200, 201}
