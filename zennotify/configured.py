"""What the configuration makes: channels that can send, and what rules are compiled against.

Used by app.py, and by the commands that work without a daemon.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial

from zennotify.channel import (
    Channel,
    ChannelProblem,
    guest_address,
    is_for_guests,
    medium_of,
    open_channel,
)
from zennotify.config import ChannelConfig, Config
from zennotify.core.model import Form, Names, Zone
from zennotify.core.notify import GuestChannel
from zennotify.core.verdict import Fallback, OnUnknown, Policy
from zennotify.errors import RecipientError
from zennotify.message import TemplateProblem, compile_recipient
from zennotify.outbox import Way
from zennotify.rulebook import Surroundings
from zennotify.zenoti.aliases import with_aliases
from zennotify.zenoti.event import Reading
from zennotify.zenoti.names import EVENT_NAMES


def surroundings(config: Config, forms: Mapping[str, Form]) -> Surroundings:
    """Return what rules are compiled against: `forms` says how each channel's messages are written."""
    return Surroundings(
        rules=config.rules,
        templates=config.templates,
        centers=config.centers,
        channels=forms,
        time_zone=config.time_zone,
        locale=config.locale,
        reading=reading(config),
        public_url=config.server.public_url,
        guests=_guest_channels(config, forms),
    )


def _guest_channels(config: Config, forms: Mapping[str, Form]) -> dict[str, GuestChannel]:
    """Return the channels whose recipient comes from the event; what is wrong with their `to` is said elsewhere."""
    channels: dict[str, GuestChannel] = {}
    for name, channel in config.channels.items():
        if channel.to is not None and is_for_guests(channel.to) and name in forms:
            # Without its secret, which only who sends needs, an address is judged by `to` alone.
            url = channel.url.get_secret_value() or "console://"
            medium = medium_of(url, channel.to, channel.form)
            with contextlib.suppress(TemplateProblem):
                channels[name] = GuestChannel(
                    recipient=_recipient(channel.to, url, medium),
                    medium=medium.value,
                    to=channel.to,
                    without_consent=channel.consent is not None,
                    cap=channel.cap if medium is Form.SMS else None,
                )
    return channels


def _recipient(to: str, url: str, medium: Form) -> Callable[[Names], str]:
    said = compile_recipient(to, EVENT_NAMES)

    def recipient(names: Names) -> str:
        given = said(names)
        if not given:
            return ""
        country = names["center"]["country"] if medium is Form.SMS else None
        try:
            return guest_address(given, url, medium, country)
        except ChannelProblem as error:
            raise RecipientError(str(error)) from None

    return recipient


def reading(config: Config) -> Reading:
    """Return how Zenoti's events are meant here."""
    return Reading(Zone(config.class_times), with_aliases(config.event_aliases))


def open_ways(config: Config, echo: Callable[[str], None]) -> list[Way]:
    """Open every channel.  Raises ChannelProblem."""
    ways: list[Way] = []
    for name, channel in config.channels.items():
        opened = partial(
            open_channel,
            name,
            url=channel.url.get_secret_value(),
            form=channel.form,
            timeout=channel.timeout,
            echo=echo,
            max_segments=channel.max_segments,
        )
        opened_channel = opened(to=channel.to)
        ways.append(
            Way(
                name=name,
                channel=opened_channel,
                concurrency=channel.concurrency,
                timeout=channel.timeout,
                policy=_policy(channel, opened_channel.form),
                rates=channel.rate,
                towards=_towards(opened) if is_for_guests(channel.to) else None,
            )
        )
    return ways


def _policy(channel: ChannelConfig, form: Form) -> Policy:
    """Return what a channel does about failures; an SMS that may have arrived is not paid for twice."""
    on_unknown = channel.on_unknown or (OnUnknown.HOLD if form is Form.SMS else OnUnknown.RESEND)
    told = channel.fallback
    fallback = None if told is None else Fallback(told.channel, told.after, told.tries)
    return Policy(retry=channel.retry, on_unknown=on_unknown, fallback=fallback)


def _towards(opened: Callable[..., Channel]) -> Callable[[str], Channel]:
    return lambda recipient: opened(to=recipient)
