"""Which of Apprise's 183 services zennotify sends through, and what it must know of each.

The schemes of other services are refused: some run commands, write files or post to a desktop.  Used by address.py
and apprise_channel.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from zennotify.core.model import Form


class Reads(StrEnum):
    """What a service makes of a chat message: how it is written for it, see text.py."""

    #: CommonMark with backslash escapes.
    MARKDOWN = "markdown"
    #: The same, with escapes for fewer characters.
    MATTERMOST = "mattermost"
    #: Markdown in which nothing, or not everywhere, can be escaped.
    UNESCAPED = "unescaped"
    #: What Apprise makes of CommonMark for it.
    SLACK = "slack"
    #: Nearly the same, but what Apprise makes of it shows `&amp;`.
    GOOGLE = "google"
    #: A few tags of HTML.
    HTML = "html"
    #: Words only.
    TEXT = "text"


class Titled(StrEnum):
    """Where a title goes."""

    #: It is a field of its own, and plain text.
    FIELD = "field"
    #: It is a field of its own that is read as the body is.
    LIKE_BODY = "like_body"
    #: It is the first line of the body.
    IN_BODY = "in_body"


@dataclass(frozen=True, slots=True)
class Service:
    """Where Apprise's class is, and how messages for it are written."""

    module: str
    name: str
    form: Form
    reads: Reads = Reads.TEXT
    titled: Titled = Titled.FIELD
    #: What a message may have, title included where it is in the body, in what room.py counts for the service: for most
    #: in characters; None: as Apprise's class says.
    most: int | None = None


def _services(form: Form, place: str, schemes: str, **how: Any) -> dict[str, Service]:
    module, _, name = place.rpartition(":")
    package = "" if module.startswith("zennotify.") else "apprise.plugins."
    return dict.fromkeys(schemes.split(), Service(f"{package}{module}", name, form, **how))


def _chat(
    place: str, schemes: str, reads: Reads, titled: Titled = Titled.FIELD, most: int | None = None
) -> dict[str, Service]:
    return _services(Form.CHAT, place, schemes, reads=reads, titled=titled, most=most)


def _mail(place: str, schemes: str) -> dict[str, Service]:
    return _services(Form.EMAIL, place, schemes)


def _phone(place: str, schemes: str) -> dict[str, Service]:
    return _services(Form.SMS, place, schemes)


def _hook(place: str, schemes: str) -> dict[str, Service]:
    return _services(Form.JSON, place, schemes)


#: By scheme.  Module and class are named, because Apprise's own look-up loads all services (100 ms and 9 MB).
SERVICES: Final[dict[str, Service]] = {
    **_chat("slack:NotifySlack", "slack", Reads.SLACK),
    **_chat("google_chat:NotifyGoogleChat", "gchat", Reads.GOOGLE, Titled.IN_BODY),
    **_chat("discord:NotifyDiscord", "discord", Reads.MARKDOWN, Titled.IN_BODY),
    **_chat("telegram:NotifyTelegram", "tgram", Reads.HTML, Titled.IN_BODY),
    # Teams takes 28 KB of JSON, in halves here; Apprise's limit would cut what fits.
    **_chat("workflows:NotifyWorkflows", "workflow workflows", Reads.MARKDOWN, Titled.LIKE_BODY, 12_000),
    **_chat("mattermost:NotifyMattermost", "mmost mmosts", Reads.MATTERMOST, Titled.IN_BODY),
    # What a server takes that nobody has set up otherwise.
    **_chat("rocketchat:NotifyRocketChat", "rocket rockets", Reads.UNESCAPED, Titled.IN_BODY, 5000),
    **_chat("webexteams:NotifyWebexTeams", "webex wxteams", Reads.MARKDOWN, Titled.IN_BODY),
    **_chat("zulip:NotifyZulip", "zulip", Reads.UNESCAPED),
    # An event has 65,536 bytes, for the text twice: as HTML and as words.  Encrypted it grows by a third.
    **_chat("matrix:NotifyMatrix", "matrix matrixs", Reads.HTML, Titled.IN_BODY, 20_000),
    **_chat("pushover:NotifyPushover", "pover", Reads.HTML),
    # A server makes a file of more, of bytes even; title and body are one to it.
    **_chat("ntfy:NotifyNtfy", "ntfy ntfys", Reads.TEXT, most=4096),
    **_chat("gotify:NotifyGotify", "gotify gotifys", Reads.TEXT),
    **_chat("pagerduty:NotifyPagerDuty", "pagerduty", Reads.TEXT),
    **_chat("opsgenie:NotifyOpsgenie", "opsgenie", Reads.TEXT),
    **_chat("signl4:NotifySIGNL4", "signl4", Reads.TEXT),
    **_mail("zennotify.channel.mail:Mail", "mailto mailtos"),
    **_mail("ses:NotifySES", "ses"),
    **_mail("sendgrid:NotifySendGrid", "sendgrid"),
    **_mail("mailgun:NotifyMailgun", "mailgun"),
    **_mail("office365:NotifyOffice365", "azure o365"),
    **_mail("resend:NotifyResend", "resend"),
    **_mail("brevo:NotifyBrevo", "brevo"),
    **_mail("sparkpost:NotifySparkPost", "sparkpost"),
    **_phone("twilio:NotifyTwilio", "twilio"),
    **_phone("zennotify.channel.sms:Vonage", "vonage nexmo"),
    **_phone("sinch:NotifySinch", "sinch"),
    **_phone("zennotify.channel.sms:MessageBird", "msgbird"),
    **_phone("clicksend:NotifyClickSend", "clicksend"),
    **_phone("plivo:NotifyPlivo", "plivo"),
    **_phone("zennotify.channel.sms:BulkSms", "bulksms"),
    **_phone("telnyx:NotifyTelnyx", "telnyx"),
    **_phone("sns:NotifySNS", "sns"),
    **_phone("signal_api:NotifySignalAPI", "signal signals"),
    **_phone("whatsapp:NotifyWhatsApp", "whatsapp"),
    **_hook("zennotify.channel.hook:JsonHook", "json jsons"),
    **_hook("zennotify.channel.hook:FormHook", "form forms"),
}
#: Messages to a telephone that nobody pays for by the part.
WITHOUT_SEGMENTS: Final = frozenset({"signal", "signals", "whatsapp"})
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
