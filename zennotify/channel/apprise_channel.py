"""A channel that sends through Apprise; the only place that calls a service.

The outbox calls `send` from that channel's own threads.  Each thread has an Apprise object of its own, because these
objects keep a clock, headers and caches.  `plugin.notify` is called rather than `Apprise.notify`: it converts between
formats just the same (base.py, `_build_send_calls`) and leaves out tags, retries, its own pool and its log capture.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from zennotify.channel import egress
from zennotify.channel.address import make_plugin, scheme_of
from zennotify.channel.attempt import attempt
from zennotify.channel.outcome import Exchange, HttpAnswer, MailAnswer, NoAnswer, judge
from zennotify.channel.secrecy import Mask
from zennotify.channel.services import SERVICES
from zennotify.channel.text import for_service
from zennotify.clock import SystemClock
from zennotify.core.model import Form, Label, Message, Outcome, Result, Room

if TYPE_CHECKING:
    from apprise import NotifyBase

#: The header that web hooks may recognise a repeat by.
DELIVERY_HEADER: Final = "X-Zennotify-Delivery"
#: What `Result.detail` may hold.
_LONGEST_DETAIL: Final = 300
_FORMATS: Final = {Form.CHAT: "markdown", Form.EMAIL: "html", Form.SMS: "text", Form.JSON: "text"}


class AppriseChannel:
    """One way out, for any number of threads."""

    def __init__(self, name: str, *, url: str, to: str | None, form: Form, timeout: timedelta) -> None:
        self.name = name
        self.form = form
        self.room = Room()
        self._url = url
        self._to = to
        self._scheme = scheme_of(url)
        self._seconds = timeout.total_seconds()
        self._mask = Mask(url, to)
        self._mine = threading.local()
        self._clock = SystemClock()
        egress.install()

    def __repr__(self) -> str:
        return f"AppriseChannel({self.name!r}, {self._scheme}://***)"

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
        if self._scheme in {"mailto", "mailtos"}:
            plugin.delivery_id = label.delivery
        elif SERVICES[self._scheme].form is Form.JSON:
            plugin.headers[DELIVERY_HEADER] = label.delivery

    def _arguments(self, message: Message) -> dict[str, str]:
        body, title, body_format = message.body, message.title, _FORMATS[message.form]
        if message.form is Form.CHAT:
            body, body_format = for_service(SERVICES[self._scheme].reads, body)
        # Apprise sends no message without a body.
        return {"title": title if body else "", "body": body or title, "body_format": body_format}

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
