"""The whole daemon with the shipped rules, centres and templates, on a clock that the test moves: who reads what, when.

Only its heartbeat is left out, and what looks at the clock in between: to sleep for a year takes the test's time.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

import yaml

from tests.fakes import FakeClock
from tests.shipped import PUBLIC_URL, ROOT, SHIPPED, merged
from zennotify.app import App
from zennotify.config import load_config
from zennotify.configured import open_ways
from zennotify.core.model import Form, Label, Message, Outcome, Result, Room
from zennotify.store import Store
from zennotify.store.transaction import Transaction
from zennotify.zenoti.sample import load_sample

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
#: Where config.yaml and most centres have their clocks.
PACIFIC = ZoneInfo("America/Los_Angeles")
BELLEVUE = "1aab4fd2-2ff3-4ede-bca2-74aa2ccb54b6"
BETHESDA = "b787e08d-f393-4a26-a332-6050c8848d2a"


def pacific(text: str) -> datetime:
    """Return a moment by the clocks of Bellevue: `2026-03-08 20:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=PACIFIC).astimezone(UTC)


class Told(NamedTuple):
    """A message that somebody got."""

    #: By the clocks of Bellevue.
    at: str
    channel: str
    title: str
    #: Without the short id, and with `<link>` for where it is acknowledged.
    text: str


class _Ears:
    """A channel that remembers."""

    room = Room()

    def __init__(self, shop: Shop, name: str, form: Form) -> None:
        self.form = form
        self._shop, self._name = shop, name

    def send(self, message: Message, label: Label) -> Result:
        at = self._shop.clock.now().astimezone(PACIFIC)
        links = re.compile(re.escape(PUBLIC_URL) + r"/ack/\S+")
        self._shop.links += links.findall(message.body)
        self._shop.refs += re.findall(r"Ref (\w{8})\Z", message.body)
        text = links.sub("<link>", re.sub(r"\n\nRef \w{8}$", "", message.body))
        told = Told(f"{at:%Y-%m-%d %H:%M:%S}".removesuffix(":00"), self._name, message.title, text)
        self._shop._told.append(told)
        return Result(outcome=Outcome.SENT)


class Shop:
    """A daemon whose shipped rules are off but for some."""

    def __init__(self, folder: Path, *on: str, start: datetime, more: str = "") -> None:
        """Open the store; `more` is a line that those rules have, too."""
        self.clock = FakeClock(start)
        self._told: list[Told] = []
        #: Where messages can be acknowledged, the oldest first.
        self.links: list[str] = []
        #: The short ids of the messages that were sent, in order.
        self.refs: list[str] = []
        self._socket = folder / "web.sock"
        self._posted = 0
        self._tasks: list[asyncio.Task[None]] = []
        config = load_config(_written(folder, on, self._socket, more), environ={}).config
        ways = [
            replace(way, channel=_Ears(self, way.name, way.channel.form))
            for way in open_ways(config, lambda _text: None)
        ]
        self._store = Store.open(config.store.url)
        self._app = App(config, self.clock, self._store, ways)

    async def open(self) -> None:
        app = self._app
        await app._start()
        assert app.rulebook.problem is None
        await app.receiver.start(app._config.server.listen)
        runs = (app.outbox.run(), app._fire_timers(), app.decider.recover())
        self._tasks = [asyncio.create_task(run) for run in runs]
        await self.settle()

    async def close(self) -> None:
        await self._app.receiver.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await asyncio.to_thread(self._store.close)

    # --- what happens -------------------------------------------------------------------------------------

    async def comes(
        self, sample: str, data: Mapping[str, Any] | None = None, *, at: datetime | None = None
    ) -> str:
        """Let a sample with other data come, which has happened now, or at `at`; return its id."""
        self._posted += 1
        body = load_sample(sample)
        moment = (at or self.clock.now()).astimezone(UTC)
        body |= {
            "id": f"call-{self._posted}",
            "event_id": f"event-{self._posted}",
            "event_timestamp": f"{moment:%Y-%m-%dT%H:%M:%S}Z",
            "data": merged(body["data"], data or {}),
        }
        answer = await self._post("/webhooks/zenoti", "application/json", json.dumps(body))
        said = json.loads(answer)
        assert said["status"] == "accepted", said
        await self.settle()
        return str(said["event"])

    async def take(self, link: str, by: str) -> None:
        """Press the button of the page that a message leads to."""
        form = "application/x-www-form-urlencoded"
        answer = await self._post(urlsplit(link).path, form, urlencode({"by": by}))
        assert f"Taken by {by}" in answer
        await self.settle()

    async def _post(self, path: str, media: str, body: str) -> str:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        content = body.encode()
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: shop\r\nContent-Type: {media}\r\nConnection: close\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        [size] = re.findall(r"(?i)content-length: (\d+)", head)
        answer = (await reader.readexactly(int(size))).decode()
        writer.close()
        assert head.startswith("HTTP/1.1 200 "), answer
        return answer

    async def until(self, moment: datetime) -> None:
        """Let time pass, and at each moment at which something is due wait for what it leads to."""
        while (due := self._next_due()) is not None and due <= moment:
            await self._go_to(due)
        await self._go_to(moment)

    def _next_due(self) -> datetime | None:
        now = self.clock.now()
        waiting = [one.due for one in self._store.reader.deliveries(most=1_000) if one.state == "pending"]
        timer = self._app._timers._next
        return min((due for due in (*waiting, timer) if due is not None and due > now), default=None)

    async def _go_to(self, moment: datetime) -> None:
        # Of a long time most is left out: the timers look at the clock every 30 seconds.
        self.clock._now += max(moment - self.clock.now() - MINUTE, timedelta())
        await self.clock.advance(moment - self.clock.now())
        await self.settle()

    async def settle(self) -> None:
        """Let the threads and the loop work until nothing is left to do now."""
        calm = 0
        async with asyncio.timeout(20):
            while calm < 2:
                undecided = await self._store.writer.call(Transaction.last_undecided)
                await self.clock.advance(timedelta())
                calm = calm + 1 if not undecided and self._is_calm() else 0

    def _is_calm(self) -> bool:
        now, timers = self.clock.now(), self._app._timers
        if timers._wake.is_set() or (timers._next is not None and timers._next <= now):
            return False
        return not any(
            one.state == "sending" or (one.state == "pending" and one.due <= now)
            for one in self._store.reader.deliveries(most=1_000)
        )

    # --- what has come of it ------------------------------------------------------------------------------

    @property
    def told(self) -> list[Told]:
        """Return all messages, those of one moment by their channels."""
        return sorted(self._told)

    def became(self, event: str) -> dict[str, tuple[str, str]]:
        """Return reason and detail of what each rule made of an event, but for those that are off."""
        [found] = self._store.reader.event(event)
        return {one.rule: (one.reason, one.detail) for one in found.decisions if one.reason != "disabled"}

    def reason(self, event: str) -> str:
        """Return the reason of the one rule that made something of an event."""
        [(reason, _)] = self.became(event).values()
        return reason


def _written(folder: Path, on: tuple[str, ...], web: Path, more: str) -> Path:
    """Write the configuration and the rules, of which only some are on."""
    rules = folder / "rules"
    rules.mkdir()
    left = set(on)
    for name, text in SHIPPED.rules.items():
        head, *entries = re.split(r"(?m)^(?=  - id: )", text)
        for number, entry in enumerate(entries):
            id_ = entry.split("\n", 1)[0].removeprefix("  - id: ")
            wanted = f"yes\n    {more}" if id_ in on else "no"
            entries[number] = re.sub(r"(?m)^    enabled: (yes|no)$", f"    enabled: {wanted}", entry)
            left.discard(id_)
        (rules / name).write_text("".join((head, *entries)), "utf-8")
    assert not left, "there are no such rules"
    config = {
        "server": {"listen": f"unix:{web}", "public_url": PUBLIC_URL},
        "store": {"url": f"sqlite:///{folder / 'store.db'}"},
        "rules": str(rules),
        "templates": str(ROOT / "templates"),
        "centers": str(ROOT / "centers.yaml"),
        "time_zone": PACIFIC.key,
        "channels": {
            "front-desk": {"url": "console://front-desk", "form": "json"},
            "manager-mail": {"url": "console://mail", "form": "json"},
            "manager-sms": {"url": "console://sms", "form": "sms"},
        },
    }
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    return file
