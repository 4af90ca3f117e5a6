"""Which of Apprise's 183 services zennotify sends through, and what it must know of each.

The schemes of other services are refused: some run commands, write files or post to a desktop.  Used by address.py
and apprise_channel.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from zennotify.core.model import Form


class Reads(StrEnum):
    """What a service makes of a chat message."""

    #: Markdown, or what Apprise's conversion makes of it.
    MARKDOWN = "markdown"
    #: What Apprise's conversion makes of it, which leaves most escapes in.
    SLACK = "slack"
    #: Words only.
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Service:
    """Where Apprise's class is, and how messages for it are written."""

    module: str
    name: str
    form: Form
    reads: Reads


def _service(
    place: str, form: Form, schemes: str, reads: Reads = Reads.MARKDOWN, package: str = "apprise.plugins"
) -> dict[str, Service]:
    module, _, name = place.partition(":")
    return dict.fromkeys(schemes.split(), Service(f"{package}.{module}", name, form, reads))


def _chat(place: str, schemes: str, reads: Reads = Reads.MARKDOWN) -> dict[str, Service]:
    return _service(place, Form.CHAT, schemes, reads)


def _mail(place: str, schemes: str) -> dict[str, Service]:
    return _service(place, Form.EMAIL, schemes)


def _phone(place: str, schemes: str) -> dict[str, Service]:
    return _service(place, Form.SMS, schemes, Reads.TEXT)


def _hook(place: str, schemes: str) -> dict[str, Service]:
    return _service(place, Form.JSON, schemes, Reads.TEXT)


#: By scheme.  Module and class are named, because Apprise's own look-up loads all services (100 ms and 9 MB).
SERVICES: Final[dict[str, Service]] = {
    **_chat("slack:NotifySlack", "slack", Reads.SLACK),
    **_chat("google_chat:NotifyGoogleChat", "gchat", Reads.SLACK),
    **_chat("discord:NotifyDiscord", "discord"),
    **_chat("telegram:NotifyTelegram", "tgram"),
    **_chat("workflows:NotifyWorkflows", "workflow workflows"),
    **_chat("mattermost:NotifyMattermost", "mmost mmosts"),
    **_chat("rocketchat:NotifyRocketChat", "rocket rockets"),
    **_chat("webexteams:NotifyWebexTeams", "webex wxteams"),
    **_chat("zulip:NotifyZulip", "zulip"),
    **_chat("matrix:NotifyMatrix", "matrix matrixs"),
    **_chat("pushover:NotifyPushover", "pover"),
    **_chat("ntfy:NotifyNtfy", "ntfy ntfys", Reads.TEXT),
    **_chat("gotify:NotifyGotify", "gotify gotifys", Reads.TEXT),
    **_chat("pagerduty:NotifyPagerDuty", "pagerduty", Reads.TEXT),
    **_chat("opsgenie:NotifyOpsgenie", "opsgenie", Reads.TEXT),
    **_chat("signl4:NotifySIGNL4", "signl4", Reads.TEXT),
    **_service("mail:Mail", Form.EMAIL, "mailto mailtos", package="zennotify.channel"),
    **_mail("ses:NotifySES", "ses"),
    **_mail("sendgrid:NotifySendGrid", "sendgrid"),
    **_mail("mailgun:NotifyMailgun", "mailgun"),
    **_mail("office365:NotifyOffice365", "azure o365"),
    **_mail("resend:NotifyResend", "resend"),
    **_mail("brevo:NotifyBrevo", "brevo"),
    **_mail("sparkpost:NotifySparkPost", "sparkpost"),
    **_phone("twilio:NotifyTwilio", "twilio"),
    **_phone("vonage:NotifyVonage", "vonage nexmo"),
    **_phone("sinch:NotifySinch", "sinch"),
    **_phone("messagebird:NotifyMessageBird", "msgbird"),
    **_phone("clicksend:NotifyClickSend", "clicksend"),
    **_phone("plivo:NotifyPlivo", "plivo"),
    **_phone("bulksms:NotifyBulkSMS", "bulksms"),
    **_phone("telnyx:NotifyTelnyx", "telnyx"),
    **_phone("sns:NotifySNS", "sns"),
    **_phone("signal_api:NotifySignalAPI", "signal signals"),
    **_phone("whatsapp:NotifyWhatsApp", "whatsapp"),
    **_hook("custom_json:NotifyJSON", "json jsons"),
    **_hook("custom_form:NotifyForm", "form forms"),
}
#: What people write instead.
HINTS: Final = {
    "http": "to post JSON to a web address, write json://",
    "https": "for a Slack webhook write slack:// and the three parts behind /services/; "
    "to post JSON to a web address, write jsons://",
    "smtp": "write mailto:// or mailtos://",
    "smtps": "write mailtos://",
    "messagebird": "write msgbird://",
    "office365": "write azure://",
    "teams": "write workflows://",
    "msteams": "write workflows://",
    "telegram": "write tgram://",
    "mattermost": "write mmosts://",
    "pushover": "write pover://",
}
