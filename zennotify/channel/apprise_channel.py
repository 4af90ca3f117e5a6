"""A channel that sends through Apprise; the only place that calls a service.

The outbox calls `send` from that channel's own threads.  Each thread has an Apprise object of its own, because these
objects keep a clock, headers and caches.  `plugin.notify` is called rather than `Apprise.notify`: it converts between
formats just the same (base.py, `_build_send_calls`) and leaves out tags, retries, its own pool and its log capture.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from zennotify.channel import egress
from zennotify.channel.address import make_plugin, scheme_of
from zennotify.channel.attempt import attempt
from zennotify.channel.outcome import Exchange, HttpAnswer, MailAnswer, NoAnswer, judge
from zennotify.channel.room import room_of, weight
from zennotify.channel.secrecy import Mask
from zennotify.channel.services import SERVICES
from zennotify.channel.text import Written, for_chat, for_mail, words_of
from zennotify.clock import SystemClock
from zennotify.core.model import Form, Label, Message, Outcome, Result, Room

if TYPE_CHECKING:
    from apprise import NotifyBase

#: What `Result.detail` may hold.
_LONGEST_DETAIL: Final = 300
#: For most services Apprise's kind of message is a colour.  Opsgenie opens no alert for one that only informs.
_KINDS: Final = {"opsgenie": "warning"}


class AppriseChannel:
    """One way out, for any number of threads."""

    def __init__(
        self, name: str, *, url: str, to: str | None, form: Form, timeout: timedelta, segments: int
    ) -> None:
        self.name = name
        self.form = form
        self._segments = segments
        self._url = url
        self._to = to
        self._scheme = scheme_of(url)
        self._service = SERVICES[self._scheme]
        self._seconds = timeout.total_seconds()
        self._mask = Mask(url, to)
        self._mine = threading.local()
        self._clock = SystemClock()
        egress.install()

    def __repr__(self) -> str:
        return f"AppriseChannel({self.name!r}, {self._scheme}://***)"

    @cached_property
    def room(self) -> Room:
        """How much of a message the service takes."""
        return room_of(self._scheme, self._plugin(), self.form, self._segments, self._weigh)

    def send(self, message: Message, label: Label) -> Result:
        """Send one message, once, and say what came of it; never raises, takes about `timeout` at most."""
        accepted, raised = False, ""
        with attempt(self._seconds) as made:
            try:
                plugin = self._plugin()
                self._label(plugin, label)
                accepted = bool(plugin.notify(**self._arguments(message)))
            except Exception as error:  # one of many services: it is judged by what it had sent
                raised = type(error).__name__
        return self._judge(made.last, message, accepted=accepted, raised=raised)

    def _judge(self, exchange: Exchange | None, message: Message, *, accepted: bool, raised: str) -> Result:
        """Return what became of a try, in words that an operator may read."""
        judged = partial(judge, scheme=self._scheme, accepted=accepted, now=self._clock.now(), raised=raised)
        if isinstance(exchange, HttpAnswer) and (result := judged(exchange)).outcome is Outcome.SENT:
            return result  # nobody wants to know what a web hook says of a message that it took
        result = judged(self._readable(exchange, message))
        return replace(result, detail=result.detail[:_LONGEST_DETAIL])

    def _plugin(self) -> NotifyBase:
        """Return this thread's Apprise object."""
        plugin: NotifyBase | None = getattr(self._mine, "plugin", None)
        if plugin is None:
            plugin = make_plugin(self._url, self._to)
            plugin.socket_connect_timeout = plugin.socket_read_timeout = self._seconds
            plugin.redirects = False
            # Apprise sleeps up to 5.5 s between two messages, some services longer; rates are for the outbox.
            plugin.throttle = _at_once  # type: ignore[method-assign]
            # It reads its own list of formats anew with every message.
            plugin.resolve_format = cache(plugin.resolve_format)  # type: ignore[method-assign]
            self._mine.plugin = plugin
        return plugin

    def _label(self, plugin: Any, label: Label) -> None:
        """Let a repeat be recognised as one, where the service has a place for that."""
        put = getattr(plugin, "label", None)  # our own over Apprise's: mail.py and hook.py
        if put is not None:
            put(label)

    def _arguments(self, message: Message) -> dict[str, str | None]:
        title, body, body_format = self._written(message)
        # Apprise sends no message without a body.
        return {
            "title": title if body else "",
            "body": body or title,
            "body_format": body_format,
            "notify_type": _KINDS.get(self._scheme, "info"),
        }

    def _written(self, message: Message) -> Written:
        match self._service.form:
            case Form.CHAT:
                return for_chat(self._service, message)
            case Form.EMAIL:
                return for_mail(message)
            case Form.SMS:
                return Written(message.title, words_of(message), "text")
            case Form.JSON if message.form is Form.EMAIL:
                return Written(message.title, message.body, "html")
            case Form.JSON:
                return Written(message.title, words_of(message), "text")

    def _weigh(self, title: str, body: str) -> int:
        """Return what a finished message takes of the service's room: Apprise's last step is counted, too."""
        plugin: Any = self._plugin()
        arguments = self._arguments(Message(title=title, body=body, form=self.form))
        calls = plugin._build_send_calls(**arguments)  # noqa: SLF001 - the only way to what it would send
        return sum(weight(self._scheme, call["title"], call["body"]) for call in calls)

    def _readable(self, exchange: Exchange | None, message: Message) -> Exchange | None:
        """Return what happened with only such words of the provider as an operator may read."""
        match exchange:
            case HttpAnswer():
                return replace(exchange, words=self._mask.words(exchange.body, message))
            case MailAnswer():
                return replace(exchange, words=self._mask.words(exchange.words.encode(), message))
            case NoAnswer() | None:
                return exchange


def _at_once(*_: object, **__: object) -> None:
    """Take the place of Apprise's throttle."""
