"""A real receiver for a test, with an intake that keeps in memory what it is given."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import pytest
import uvloop
from pydantic import SecretStr

from tests.http_corpus import OLD_SECRET, SECRET, Answer, Client, Kept
from zennotify.acknowledgement import Acknowledger
from zennotify.clock import SystemClock
from zennotify.config import Address, ServerConfig
from zennotify.errors import StoreUnavailable
from zennotify.metrics import Metrics
from zennotify.receiver import Limits, Receiver
from zennotify.zenoti.envelope import Envelope

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
LOOPBACK = Address(host="127.0.0.1", port=0)
SECRETS = (SecretStr(SECRET), SecretStr(OLD_SECRET))


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on asyncio's own event loop and on uvloop; one that hangs fails."""

    @wraps(test)
    def run(loop: Callable[[], asyncio.AbstractEventLoop], **fixtures: Any) -> None:
        async def limited() -> None:
            async with asyncio.timeout(20):
                await test(**fixtures)

        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(limited())

    signature = inspect.signature(test)
    own = inspect.Parameter("loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [own, *signature.parameters.values()]
    vars(run)["__signature__"] = signature.replace(parameters=parameters)  # what pytest looks at
    marked: Callable[..., None] = pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)(run)
    return marked


@dataclass(slots=True)
class Receipt:
    """What became of a body."""

    status: str
    event: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class Recorder:
    """An intake: `available`, as slow as `gate` is closed, and with a mistake in the methods of `broken`."""

    available: bool = True
    broken: Sequence[str] = ()
    gate: asyncio.Event | None = None
    waiting: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    events: dict[str, Envelope] = field(default_factory=dict)
    quarantined: list[tuple[str, bytes]] = field(default_factory=list)

    async def accept(self, envelope: Envelope, body: bytes, received_at: datetime) -> Receipt:
        """Keep an event."""
        await self._check("accept", envelope.data, received_at)
        key = envelope.event_id or envelope.fingerprint
        event = hashlib.sha256(key.encode()).hexdigest()[:32]
        known = self.events.setdefault(event, envelope)
        self.changed.set()
        if known.fingerprint != envelope.fingerprint:
            return await self.quarantine("conflict", body, received_at)
        return Receipt("accepted" if known is envelope else "duplicate", event=event)

    async def quarantine(self, reason: str, body: bytes, received_at: datetime) -> Receipt:
        """Keep a body."""
        await self._check("quarantine", body, received_at)
        self.quarantined.append((reason, body))
        self.changed.set()
        return Receipt("quarantined", reason=reason)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for a change after which this holds."""
        while not holds():
            await self.changed.wait()
            self.changed.clear()

    async def kept(self) -> Kept:
        """Return how much there is."""
        return Kept(len(self.events), tuple(reason for reason, _ in self.quarantined))

    async def _check(self, method: str, content: object, received_at: datetime) -> None:
        assert received_at.tzinfo is UTC
        if self.gate is not None:
            self.waiting += 1
            self.changed.set()
            await self.gate.wait()
            self.waiting -= 1
        if not self.available:
            raise StoreUnavailable("the disk is full")
        if method in self.broken:
            raise LookupError(f"a mistake, and what it was about: {content!r}")


@dataclass(frozen=True, slots=True)
class Receiving:
    """A receiver at work."""

    receiver: Receiver
    recorder: Recorder
    metrics: Metrics
    address: Address

    async def client(self) -> Client:
        """Connect."""
        if self.address.path is not None:
            return await Client.open_unix(self.address.path)
        return await Client.open(self.address.host or "", self.address.port or 0)

    async def ask(self, raw: bytes) -> Answer:
        """Send one request on a connection of its own."""
        async with await self.client() as client:
            return await client.ask(raw)

    def metric(self, name: str) -> float | None:
        """Return a metric's value."""
        return self.metrics.registry.get_sample_value(f"zennotify_{name}")


@asynccontextmanager
async def receiving(
    *,
    where: Address | Sequence[socket.socket] = LOOPBACK,
    limits: Limits | None = None,
    recorder: Recorder | None = None,
    acknowledger: Acknowledger | None = None,
    **config: Any,
) -> AsyncIterator[Receiving]:
    """Start a receiver, and stop it in the end."""
    recorder = recorder or Recorder()
    metrics = Metrics()
    receiver = Receiver(
        ServerConfig(**config), recorder, metrics, SystemClock(), limits=limits, acknowledger=acknowledger
    )
    await receiver.start(where)
    try:
        yield Receiving(receiver, recorder, metrics, receiver.addresses[0])
    finally:
        await receiver.stop()
