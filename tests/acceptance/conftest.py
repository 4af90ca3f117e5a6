"""A daemon with real sinks: chat and SMS over HTTP, mail over SMTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon
from tests.sinks import HttpSink, SmtpSink


@dataclass
class World:
    """A daemon and what its channels lead to."""

    daemon: Daemon
    desk: HttpSink
    sms: HttpSink
    mail: SmtpSink

    def received(self, sink: HttpSink) -> list[tuple[str, str]]:
        """What an HTTP sink got: titles and messages, in a settled order."""
        return sorted((got.json["title"], got.json["message"]) for got in sink.received)


def channels(desk: HttpSink, sms: HttpSink, mail: SmtpSink) -> dict[str, dict[str, Any]]:
    return {
        "front-desk": {"url": desk.url("/desk")},
        "manager-sms": {"url": sms.url("/sms"), "form": "sms"},
        "manager-mail": {"url": mail.url(), "to": "manager@example.com"},
    }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with HttpSink() as desk, HttpSink() as sms, SmtpSink() as mail:
        daemon = Daemon(tmp_path, channels=channels(desk, sms, mail))
        yield World(daemon, desk, sms, mail)
        daemon.kill()
