"""Every server of the world, on loopback: what Apprise's own services would send to their providers comes here.

The transport is redirected below `requests`, the services are Apprise's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.sinks import HttpSink
from zennotify.channel import close_all
from zennotify.channel.attempt import Attempt


class Elsewhere(HttpSink):
    """Stands for every server of the world; keeps which one was meant."""

    def __init__(self) -> None:
        super().__init__()
        self.meant: list[str] = []


@contextmanager
def everywhere(patch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    """Lead every HTTP request of a channel to one sink."""
    from zennotify.channel import http1

    ask = http1.ask

    def to_loopback(made: Attempt, place: http1.Place, request: bytes, *, has_body: bool) -> http1.Answer:
        sink.meant.append(f"{'https' if place.is_tls else 'http'}://{place.host}")
        here = place._replace(host="127.0.0.1", port=sink.port, is_tls=False)
        return ask(made, here, request, has_body=has_body)

    with Elsewhere() as sink:
        patch.setattr(http1, "ask", to_loopback)
        yield sink
    close_all()
